import { afterEach, beforeEach, expect, test } from "vitest";
import { openS3Access } from "./s3-access.ts";
import { putInParts } from "./s3-multipart.ts";
import { newWrite } from "./s3-writing.ts";
import {
  type Answer,
  answer,
  type ScriptedServer,
  s3Error,
  startScriptedServer,
} from "./testing/scripted-server.ts";

/** Smaller than S3 would take. */
const PART = 1000;
const write = newWrite(new Uint8Array(2 * PART + 3).map((_, index) => index));

let server: ScriptedServer;
beforeEach(async () => {
  server = await startScriptedServer();
});
afterEach(() => server.close());

const access = (profile: "s3" | "r2" = "s3") =>
  openS3Access({
    bucket: "bucket",
    profile,
    endpoint: server.endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "id", secretAccessKey: "secret" },
    retryTimes: { sleep: async () => {} },
  });

const xml = (text: string) => answer(200, text, { "content-type": "application/xml" });
const completed = xml('<CompleteMultipartUploadResult><ETag>"e-3"</ETag></CompleteMultipartUploadResult>');

/** What a request is, whatever the order in which parts come. */
function stepOf({ method, url }: { method: string; url: string }): string {
  const query = new URL(url, "http://x").searchParams;
  if (query.has("uploads")) return "begin";
  if (method === "PUT") return `part ${query.get("partNumber")}`;
  return method === "DELETE" ? "abort" : "complete";
}

/** A store that takes parts, but for the steps named. */
function serve(steps: Record<string, Answer> = {}): void {
  const usual: Record<string, Answer> = {
    begin: xml("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"),
    complete: completed,
    abort: answer(204),
  };
  server.script((request, response) => {
    const step = stepOf(request);
    const part = answer(200, "", { etag: `"${step}"` });
    (steps[step] ?? usual[step] ?? part)(request, response);
  });
}
const steps = () => server.received.map(stepOf);

test("parts are sent with their checksums and put together once, on the condition that nothing is there", async () => {
  serve();
  expect(await putInParts(access(), "a", write, PART)).toBe("e-3");
  expect(steps().sort()).toEqual(["begin", "complete", "part 1", "part 2", "part 3"]);
  const parts = server.received
    .filter(({ method }) => method === "PUT")
    .sort((a, b) => (a.url < b.url ? -1 : 1));
  expect(parts.map(({ body }) => body.byteLength)).toEqual([PART, PART, 3]);
  expect(Buffer.concat(parts.map(({ body }) => body)).equals(write.bytes)).toBe(true);
  for (const { headers } of parts) expect(headers["x-amz-checksum-sha256"]).toMatch(/^.{43}=$/);
  const [begin, last] = [server.received[0], server.received.at(-1)];
  expect(begin?.headers).toMatchObject({
    "x-amz-checksum-algorithm": "SHA256",
    "x-amz-meta-sha256": write.sha256.toString("hex"),
    "x-amz-meta-write": write.id,
  });
  expect(last?.headers["if-none-match"]).toBe("*");
  const order = [...String(last?.body).matchAll(/<PartNumber>(\d)</g)].map(([, number]) => number);
  expect(order).toEqual(["1", "2", "3"]);
});

test("to R2 parts carry an MD5: it has no SHA-256 for them", async () => {
  serve();
  await putInParts(access("r2"), "a", write, PART);
  expect(server.received[0]?.headers["x-amz-checksum-algorithm"]).toBeUndefined();
  for (const { headers } of server.received.filter(({ method }) => method === "PUT")) {
    expect(headers["content-md5"]).toMatch(/^.{22}==$/);
    expect(headers["x-amz-checksum-sha256"]).toBeUndefined();
  }
});

test("a part that is refused ends the upload, and frees what was sent", async () => {
  serve({ "part 2": s3Error(507, "XMinioStorageFull") });
  await expect(putInParts(access(), "a", write, PART)).rejects.toMatchObject({
    code: "store-full",
    details: { operation: "UploadPart" },
  });
  expect(steps().at(-1)).toBe("abort");
  expect(steps()).not.toContain("complete");
});

test.each([
  ["an object that is there", s3Error(412, "PreconditionFailed")],
  [
    "an upload that is no more, perhaps completed by a request whose answer was lost",
    s3Error(404, "NoSuchUpload"),
  ],
])("%s is for the caller to read back", async (_, refusal) => {
  serve({ complete: refusal });
  expect(await putInParts(access(), "a", write, PART)).toBeNull();
  expect(steps().at(-1)).toBe("abort");
});

test("a failure that comes with 200, as S3 may answer this request, is one, and is repeated", async () => {
  let answers = 0;
  serve({
    complete(request, response) {
      answers += 1;
      const failure = xml("<Error><Code>InternalError</Code><Message>later</Message></Error>");
      (answers === 1 ? failure : completed)(request, response);
    },
  });
  expect(await putInParts(access(), "a", write, PART)).toBe("e-3");
  expect(answers).toBe(2);
});

test("an abort that fails does not hide the failure before", async () => {
  serve({ "part 1": s3Error(403, "AccessDenied"), abort: s3Error(403, "AccessDenied") });
  await expect(putInParts(access(), "a", write, PART)).rejects.toMatchObject({
    details: { operation: "UploadPart" },
  });
});
