/**
 * Is anybody there, are we let in, is there a bucket, and is everybody else kept out?
 *
 * @module
 */
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { toUrlPath } from "../../../functions/storage/object-keys.ts";
import { codeOf } from "../../../functions/storage/service-errors.ts";
import { identifyServer, serverNames } from "../server-kind.ts";
import { type Check, type Finding, failed, ok } from "./check.ts";
import { type DoctorContext, scratch, someBytes, urlOf } from "./context.ts";
import { answerText, codeIn, type RawResponse, sendRaw } from "./raw-request.ts";

const list = ({ s3, storage }: DoctorContext) =>
  s3.send(new ListObjectsV2Command({ Bucket: storage.bucket, MaxKeys: 1 }));

const server: Check = {
  name: "store answers",
  service: "store",
  needs: [],
  run: async ({ storage }) => {
    const kind = await identifyServer(storage);
    return ok(`${serverNames[kind]} at ${storage.endpoint ?? storage.region}`);
  },
};

const credentials: Check = {
  name: "credentials",
  service: "store",
  needs: [server.name],
  run: async (context) => {
    try {
      await list(context);
    } catch (error) {
      // Whoever is told that there is no such bucket was let in.
      if (codeOf(error) !== "NoSuchBucket") throw error;
    }
    return ok(context.server === "localstack" ? "accepted, like any others on LocalStack" : "accepted");
  },
};

const bucket: Check = {
  name: "bucket",
  service: "store",
  needs: [credentials.name],
  run: async (context) => {
    await list(context);
    return ok(`${context.storage.bucket} exists and can be listed`);
  },
};

/** In this order; `bucket` is what all that follows needs. */
export const accessChecks = [server, credentials, bucket] as const;
export const STORE = server.name;
export const BUCKET = bucket.name;

/** A stranger's request: no signature, or one that was made for something else. */
function refusal(
  name: string,
  what: string,
  request: (context: DoctorContext) => Promise<RawResponse>,
): Check {
  return {
    name,
    service: "store",
    needs: [BUCKET],
    run: async (context) => refused(context, what, await request(context)),
  };
}

function refused({ server: kind }: DoctorContext, what: string, answer: RawResponse): Finding {
  const { status } = answer;
  // MinIO answers a request whose signature it misses with 400. A 404 or 405 says nothing of who may come in.
  const keptOut = status === 401 || status === 403 || (status === 400 && codeIn(answer) === "AccessDenied");
  if (keptOut) return ok(`refused: ${answerText(answer)}`);
  if (status >= 300) {
    return failed(
      `not shown that strangers are kept out: ${answerText(answer)}, expected 403`,
      "look at what answers there: does a proxy stand before the store, is the region right?",
    );
  }
  const advice =
    kind === "localstack"
      ? "LocalStack has no authorisation at all: only for tests"
      : "take away every policy and access list that lets the public in: uploads and reports are secret until a round is closed";
  return failed(`${what}: ${answerText(answer)}, expected 403`, advice);
}

export const privacyChecks: readonly Check[] = [
  refusal("anonymous read", "anybody can read a sealed object", async (context) =>
    sendRaw({ method: "GET", url: urlOf(context, await secretObject(context, "sealed")) }),
  ),
  refusal("anonymous read of uploads", "anybody can read an upload", async (context) =>
    sendRaw({ method: "GET", url: urlOf(context, await secretObject(context, "uploads")) }),
  ),
  refusal("anonymous list", "anybody can list the bucket", async (context) =>
    sendRaw({ method: "GET", url: `${urlOf(context)}?list-type=2&max-keys=1` }),
  ),
  refusal("anonymous write", "anybody can write to the bucket", async (context) => {
    const key = `${scratch(context).sealed}anonymous`;
    // A bucket's policy may refuse every write without it, whoever sends it: that must not pass for keeping strangers out.
    const headers = { "if-none-match": "*" };
    return sendRaw({ method: "PUT", url: urlOf(context, key), headers, body: someBytes(context, key) });
  }),
  refusal("changed download URL", "a URL signed for one object opens another", async (context) => {
    const key = await secretObject(context, "sealed");
    const { url, headers } = await context.store.presignGet(`${key}-other`, await inAMinute(context));
    return sendRaw({ method: "GET", url: url.replace(`${toUrlPath(key)}-other`, toUrlPath(key)), headers });
  }),
];

async function inAMinute({ store }: DoctorContext): Promise<{ expiresAtMs: number }> {
  return { expiresAtMs: (await store.now()) + 60_000 };
}

async function secretObject(context: DoctorContext, where: "sealed" | "uploads"): Promise<string> {
  const key = `${scratch(context)[where]}secret`;
  await context.store.putIfAbsent(key, someBytes(context, key));
  return key;
}
