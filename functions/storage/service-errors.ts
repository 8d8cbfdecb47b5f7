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
    codes: ["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"],
    advice: "set this machine's clock: signatures carry its time, and 15 minutes are too far off",
  },
  {
    code: "-credentials",
    codes: [
      "InvalidAccessKeyId",
      "SignatureDoesNotMatch",
      "ExpiredToken",
      "ExpiredTokenException",
      "InvalidToken",
      "InvalidClientTokenId",
      "UnrecognizedClientException",
      "InvalidSignatureException",
      "IncompleteSignature",
      "MissingAuthenticationToken",
      "NotSignedUp",
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
];

/** Two conditional writes met: nothing of this one landed, and S3 asks for the upload again. */
export const RACES: readonly string[] = ["ConditionalRequestConflict", "OperationAborted"];

/** The service's code, the SDK's or the system's; empty: none of them. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}

/** The HTTP status; 0: no answer came. */
export function statusOf(error: unknown): number {
  return metadataOf(error).httpStatusCode ?? 0;
}

/**
 * The typed error for a failed request: `store-unreachable` (no answer, 429, 5xx or a 409 of two that race, until the deadline), a kind of the
 * table, or `store-refused`; `queue-…` for a queue. What the SDK throws without having asked stays as it is: a fault of
 * ours.
 */
export function serviceError(error: unknown, request: FailedRequest): unknown {
  const status = statusOf(error);
  const code = codeOf(error);
  const kind = KINDS.find(({ codes }) => codes.includes(code)) ?? byStatus(status);
  if (kind !== undefined) return typed(kind.code, kind.advice, error, request);
  const silent = status === 0 && (code === "TimeoutError" || (error instanceof Error && "code" in error));
  if (silent || status === 429 || status >= 500 || RACES.includes(code)) {
    const advice = "check that the service runs at this address, then repeat: what was done stays done";
    return typed("-unreachable", advice, error, request);
  }
  if (status === 0) return error;
  return typed("-refused", "the service's own words say why", error, request);
}

/** For answers without a body, which then have no code. */
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
