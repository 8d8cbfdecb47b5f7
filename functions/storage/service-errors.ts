/**
 * What goes wrong at an S3 or SQS service, as typed errors: one table for both, because the services share their codes.
 *
 * @module
 */
import { OuterloopError } from "../../schemas/errors.ts";

/** The prefix of the typed codes, and the word in their messages. */
export type Service = "store" | "queue";

/** Which request failed, at which address, about what. */
export interface FailedRequest {
  service: Service;
  /** The service's own name of it: `PutObject`. */
  operation: string;
  /** The key, bucket or queue that it was about. */
  about: string;
  /** The address configured, `AWS` without one. */
  endpoint: string;
}

interface Kind {
  /** Typed code behind the service's prefix, or whole. */
  code: string;
  codes: readonly string[];
  /** What the message says too, where one code stands for many things. */
  words?: RegExp;
  /** What to do. */
  advice: string;
}

/** Codes that S3, SQS, MinIO, LocalStack and R2 answer, and the SDK's own. The first kind that names a code has it. */
const KINDS: readonly Kind[] = [
  {
    code: "no-such-bucket",
    codes: ["NoSuchBucket"],
    advice: "check the bucket's name; `outerloop provision` makes the bucket",
  },
  {
    code: "no-such-queue",
    codes: ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "NonExistentQueue"],
    advice: "check the queue's URL; `outerloop provision` makes the queues",
  },
  {
    code: "clock-skew",
    codes: ["RequestTimeTooSkewed", "RequestExpired", "ExpiredRequest", "RequestInTheFuture"],
    advice: "set this machine's clock: signatures carry its time, and 15 minutes are too far off",
  },
  {
    code: "-credentials",
    codes: [
      "InvalidAccessKeyId",
      "SignatureDoesNotMatch",
      "ExpiredToken",
      "ExpiredTokenException",
      "TokenRefreshRequired",
      "InvalidToken",
      "InvalidTokenId",
      "InvalidClientTokenId",
      "UnrecognizedClientException",
      "InvalidSignatureException",
      "IncompleteSignature",
      "MissingAuthenticationToken",
      "NotSignedUp",
      "Unauthorized",
      "CredentialsProviderError",
      "TokenProviderError",
    ],
    advice: "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile or role that stands for them",
  },
  {
    code: "-denied",
    codes: ["AccessDenied", "AccessDeniedException", "AllAccessDisabled", "AccountProblem", "Forbidden"],
    advice: "the credentials are known but may not do this: check their policy, and the bucket's or queue's",
  },
  {
    code: "-region",
    codes: ["PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"],
    advice: "set the region in which it was made",
  },
  {
    code: "-full",
    codes: ["XMinioStorageFull", "InsufficientStorage", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded"],
    advice: "make room, or raise the quota; nothing was written",
  },
  {
    code: "-unsupported",
    codes: ["NotImplemented"],
    advice: "this service lacks something that we need: `outerloop doctor` says what",
  },
  {
    code: "-encryption",
    codes: ["KMS"],
    advice:
      "enable the KMS key that encrypts it, and let these credentials use the key; what is stored is not lost",
  },
  {
    // The words of AWS, MinIO and LocalStack for an object encrypted with its writer's own key (SSE-C).
    code: "object-unreadable",
    codes: ["InvalidRequest"],
    words: /stored using a form of Server Side Encryption/i,
    advice:
      "nobody reads it without the key that its writer encrypted it with: delete it, have it written without",
  },
];

/** Two conditional writes met: nothing of this one landed, and S3 asks for the upload again. */
export const RACES: readonly string[] = ["ConditionalRequestConflict", "OperationAborted"];

/**
 * Overload, and requests that did not arrive whole. AWS says most of them with a 400. The SDK repeats those it knows, but
 * only until our deadline; after it they are no more final than before.
 */
const TEMPORARY: readonly string[] = [
  "SlowDown",
  "Throttling",
  "ThrottlingException",
  "ThrottledException",
  "EC2ThrottledException",
  "RequestThrottled",
  "RequestThrottledException",
  "KmsThrottled",
  "KMS.ThrottlingException",
  "TooManyRequests",
  "TooManyRequestsException",
  "RequestLimitExceeded",
  "LimitExceededException",
  "BandwidthLimitExceeded",
  "ProvisionedThroughputExceededException",
  "PriorRequestNotComplete",
  "TransactionInProgressException",
  "OverLimit",
  "RequestTimeout",
  "RequestTimeoutException",
  "TimeoutError",
  "IncompleteBody",
  "ClientDisconnect",
  "InternalError",
  "ServiceUnavailable",
  ...RACES,
];

/** Names that the SDK gives to errors without a code of the service. */
const NAMELESS: readonly string[] = ["BadRequest", "Forbidden", "NotFound", "Unknown", "UnknownError"];

/** The service's code, the SDK's or the system's; empty: none of them. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}

/** The HTTP status; 0: no answer came. */
export function statusOf(error: unknown): number {
  return metadataOf(error).httpStatusCode ?? 0;
}

/** True for what may succeed when it is asked again, unchanged: an overload, a fault of the server, a lost race. */
export function isTemporary(status: number, code: string): boolean {
  return status === 408 || status === 429 || status >= 500 || TEMPORARY.includes(code);
}

/**
 * The typed error for a failed request: a kind of the table; `store-unreachable` for what is temporary until the deadline,
 * and where no answer of the service came (none at all, or a proxy's); else `store-refused`; `queue-…` for a queue. What
 * the SDK throws without having asked stays as it is: a fault of ours.
 */
export function serviceError(error: unknown, request: FailedRequest): unknown {
  const [status, code] = [statusOf(error), codeOf(error)];
  const foreign = status !== 0 && isForeign(error, request);
  const kind = kindOf(error) ?? (foreign || TEMPORARY.includes(code) ? undefined : byStatus(status));
  if (kind !== undefined) return typed(kind.code, kind.advice, error, request);
  const silent = status === 0 && (code === "TimeoutError" || (error instanceof Error && "code" in error));
  if (silent || isTemporary(status, code)) {
    const advice = "check that the service runs at this address, then repeat: what was done stays done";
    return typed("-unreachable", advice, error, request);
  }
  if (status === 0) return error;
  if (foreign) {
    const advice = `no answer of a ${request.service}: check the address and every proxy on the way there, then repeat`;
    return typed("-unreachable", advice, error, request);
  }
  return typed("-refused", "the service's own words say why", error, request);
}

function kindOf(error: unknown): Kind | undefined {
  const code = codeOf(error);
  if (TEMPORARY.includes(code)) return undefined;
  const family = /^KMS/i.test(code) ? "KMS" : code;
  const said = error instanceof Error ? error.message : "";
  return KINDS.find(
    ({ codes, words }) => codes.includes(family) && (words === undefined || words.test(said)),
  );
}

/**
 * True for an answer that is not the service's own: a body that does not parse, or bears no code. An answer to HEAD has no
 * body, so its status has to do.
 */
function isForeign(error: unknown, { operation }: FailedRequest): boolean {
  const own = error instanceof Error && "$fault" in error && !NAMELESS.includes(error.name);
  if (own) return false;
  const status = statusOf(error);
  return operation.startsWith("Head") ? byStatus(status) === undefined : status < 300 || status >= 400;
}

/** For answers without a body, and for codes that no table has. */
function byStatus(status: number): Kind | undefined {
  const code = {
    301: "-region",
    307: "-region",
    401: "-credentials",
    403: "-denied",
    501: "-unsupported",
    507: "-full",
  }[status];
  return KINDS.find((kind) => kind.code === code);
}

function typed(suffix: string, advice: string, error: unknown, request: FailedRequest): OuterloopError {
  const { service, operation, about, endpoint } = request;
  const { attempts } = metadataOf(error);
  const status = statusOf(error);
  const came = [status === 0 ? "no answer" : String(status), codeOf(error)].join(" ").trim();
  const words = error instanceof Error && error.message !== "" ? `: ${error.message.slice(0, 300)}` : "";
  const tries = attempts !== undefined && attempts > 1 ? ` after ${attempts} attempts` : "";
  const message = `expected the ${service} at ${endpoint} to answer ${operation} of ${about}, got ${came}${words}${tries} (${advice})`;
  const code = suffix.startsWith("-") ? service + suffix : suffix;
  return new OuterloopError(code, message, { ...request, status, reason: codeOf(error), attempts }, error);
}

/** What the SDK notes about a request on its errors. */
function metadataOf(error: unknown): { httpStatusCode?: number; attempts?: number } {
  if (!(error instanceof Error) || !("$metadata" in error)) return {};
  return (error.$metadata ?? {}) as { httpStatusCode?: number; attempts?: number };
}
