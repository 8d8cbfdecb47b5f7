/**
 * Does the store hold whoever has an upload ticket to its pins? Every attempt has a ticket of its own.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { listAll, type Ticket } from "../../../functions/storage/object-store.ts";
import { BUCKET } from "./access-checks.ts";
import { type Check, type Finding, failed, notApplicable, ok } from "./check.ts";
import { type DoctorContext, scratch, someBytes } from "./context.ts";
import { answerText, type RawRequest, type RawResponse, sendRaw } from "./raw-request.ts";

const TICKET_MS = 60_000;
const SHORT_TICKET_MS = 2_000;
const LOOK_AGAIN_MS = 250;
/** Clocks so far apart are a finding of their own; waiting for the store's would take as long. */
const LONGEST_WAIT_MS = 10_000;

const HONEST = "ticket, used as issued";

interface Attempt {
  name: string;
  /** What stores that are in order answer; any other refusal will do as well. */
  expected: readonly number[];
  /** What is sent instead of the honest request. */
  alter: (honest: RawRequest & { body: Uint8Array }) => RawRequest;
}

/** Every pin once. */
const REFUSALS = [403, 400] as const;
const attempts: readonly Attempt[] = [
  {
    name: "ticket, other content",
    expected: [400, 403],
    alter: (honest) => ({ ...honest, body: shouted(honest.body) }),
  },
  {
    name: "ticket, other SHA-256",
    expected: REFUSALS,
    alter: (honest) => {
      const body = shouted(honest.body);
      return {
        ...honest,
        body,
        headers: { ...honest.headers, "x-amz-checksum-sha256": sha256(body, "base64") },
      };
    },
  },
  {
    name: "ticket, longer content",
    expected: REFUSALS,
    alter: (honest) => {
      const body = Buffer.concat([honest.body, Buffer.from(" and more")]);
      return { ...honest, body, headers: { ...honest.headers, "content-length": String(body.length) } };
    },
  },
  {
    name: "ticket, other key",
    expected: REFUSALS,
    alter: (honest) => ({ ...honest, url: honest.url.replace(/(ticket-[^?]*)\?/, "$1-other?") }),
  },
  {
    name: "ticket, condition dropped",
    expected: REFUSALS,
    alter: ({ headers, ...honest }) => ({ ...honest, headers: without(headers, "if-none-match") }),
  },
  {
    name: "ticket, checksum dropped",
    expected: REFUSALS,
    alter: ({ headers, ...honest }) => ({ ...honest, headers: without(headers, "x-amz-checksum-sha256") }),
  },
];

export const ticketChecks: readonly Check[] = [
  ticketCheck(HONEST, async (context) => {
    const answer = await sendRaw(await issue(context, "honest"));
    if (answer.status === 200) return ok(answerText(answer));
    const advice =
      context.server === "localstack"
        ? "LocalStack knows one secret for URLs: set AWS_SECRET_ACCESS_KEY=test"
        : "peers could upload nothing: look into the store's log, and whether a proxy before it changes headers";
    return failed(`refused: ${answerText(answer)}`, advice);
  }),
  ticketCheck("ticket, second use", async (context) => {
    const request = await issue(context, "twice");
    await sendRaw(request);
    return judge(context, await sendRaw(request), [412]);
  }),
  ...attempts.map(({ name, expected, alter }) =>
    ticketCheck(name, async (context) => {
      const honest = await issue(context, slug(name));
      return judge(context, await sendRaw(alter(honest)), expected);
    }),
  ),
  ticketCheck("ticket, expired", async (context) => {
    const request = await issue(context, "expired", SHORT_TICKET_MS);
    const waited = await waitUntilAfter(context, request.expiresAtMs);
    if (!waited) return notApplicable("the store's clock stands or runs slow: see the clock");
    return judge(context, await sendRaw(request), REFUSALS);
  }),
  ticketCheck("nothing refused is stored", async (context) => {
    const stored: string[] = [];
    for await (const { key } of listAll(context.store, scratch(context).uploads)) stored.push(key);
    const wrong = stored.filter((key) => !/ticket-(honest|twice)$/.test(key));
    return wrong.length === 0
      ? ok("only what was honestly uploaded is there")
      : failed(`stored all the same: ${wrong.join(", ")}`, "this server cannot hold peers to their tickets");
  }),
];

/** A refusal says nothing of a store that refuses honest uploads, too. */
function ticketCheck(name: string, run: (context: DoctorContext) => Promise<Finding>): Check {
  return { name, service: "store", needs: name === HONEST ? [BUCKET] : [BUCKET, HONEST], run };
}

/** A fresh ticket, and the request that it is for. */
async function issue(context: DoctorContext, what: string, lastsMs = TICKET_MS) {
  const body = someBytes(context, what);
  const ticket: Ticket = await context.store.presignPut(`${scratch(context).uploads}ticket-${what}`, {
    sizeBytes: body.length,
    sha256: sha256(body, "hex"),
    expiresAtMs: (await context.store.now()) + lastsMs,
  });
  const { method, url, headers, expiresAtMs } = ticket;
  return { method, url, headers, body, expiresAtMs };
}

function judge({ server }: DoctorContext, answer: RawResponse, expected: readonly number[]): Finding {
  const { status } = answer;
  // A second upload must be told from a forged one: peers take 412 for success.
  const refused = expected[0] === 412 ? status === 412 : status >= 400 && status < 500;
  if (refused) return ok(`refused: ${answerText(answer)}`);
  const advice =
    server === "localstack"
      ? "start LocalStack with S3_SKIP_SIGNATURE_VALIDATION=0, or it looks at no signature"
      : "this server cannot hold peers to their tickets: use one that checks signatures whole";
  return failed(`${answerText(answer)}, expected ${expected.join(" or ")}`, advice);
}

/** By the store's clock, which is what a ticket expires by. False: that takes too long. */
async function waitUntilAfter({ store, signal }: DoctorContext, atMs: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs <= LONGEST_WAIT_MS; waitedMs += LOOK_AGAIN_MS) {
    if ((await store.now()) > atMs) return true;
    await sleep(LOOK_AGAIN_MS, undefined, { signal });
  }
  return false;
}

/** Other bytes of the same length. */
function shouted(bytes: Uint8Array): Uint8Array {
  return Buffer.from(Buffer.from(bytes).toString("utf8").toUpperCase());
}

function sha256(bytes: Uint8Array, encoding: "hex" | "base64"): string {
  return createHash("sha256").update(bytes).digest(encoding);
}

function without(headers: Record<string, string> = {}, name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([header]) => header.toLowerCase() !== name));
}

function slug(name: string): string {
  return name.replace("ticket, ", "").replaceAll(" ", "-").toLowerCase();
}
