import { beforeEach, describe, expect, it } from "vitest";
import {
  acknowledgement as acknowledgementSchema,
  type Commit,
  canonicalBytes,
  hashOf,
  keys,
  type SigningKey,
  sha256,
  signBody,
  signToBytes,
  verifyBytes,
} from "../../schemas/index.ts";
import { recordOnce } from "../rounds/objects.ts";
import { type Answer, ApiRun, answerOf, keyOf } from "./testing/api-run.ts";

const [ann, ben, eve] = [keyOf("ann"), keyOf("ben"), keyOf("eve")];
const UNKNOWN_RUN = `unknown-${"0".repeat(32)}`;
const DIGEST = sha256(new Uint8Array());

let run: ApiRun;
beforeEach(async () => {
  run = await ApiRun.create();
});

const codeOf = ({ status, body }: Answer) => [status, body.code];

/** Sends it twice; the second time finds its own answer, and nothing new is stored. */
async function twice(key: SigningKey, path: string, bytes: Uint8Array): Promise<Answer[]> {
  const first = await run.post(key, path, bytes);
  const before = await run.objects();
  const second = await run.post(key, path, bytes);
  expect(await run.objects()).toEqual(before);
  return [first, second];
}

/** Nothing that a refused request sends is kept. */
async function refused(answer: () => Promise<Answer>): Promise<unknown[]> {
  const before = await run.objects();
  const got = await answer();
  expect(await run.objects()).toEqual(before);
  expect(Object.keys(got.body).sort()).toEqual(["code", "details", "message"]);
  return codeOf(got);
}

describe("a registration", () => {
  const path = () => run.path("/peers");

  it("is stored once, and sent again meets its own answer", async () => {
    const [first, second] = await twice(ann, path(), run.registration(ann));
    expect(first?.body).toEqual({ outcome: "created", key: keys.peer(run.run, ann.publicKey) });
    expect(second?.body).toEqual({ outcome: "exists", key: keys.peer(run.run, ann.publicKey) });
  });

  it("is never replaced by another one", async () => {
    await run.post(ann, path(), run.registration(ann));
    const other = run.registration(ann, { recoveryKey: ben.publicKey });
    expect(await refused(() => run.post(ann, path(), other))).toEqual([409, "already-registered"]);
  });

  it("says who registers, and to which run, where the request says so too", async () => {
    expect(await refused(() => run.post(eve, path(), run.registration(ann)))).toEqual([
      401,
      "missing-signature",
    ]);
    const inAnothersName = run.registration(eve, { peer: ann.publicKey });
    expect(await refused(() => run.post(eve, path(), inAnothersName))).toEqual([403, "wrong-signer"]);
    const ofAnotherRun = run.registration(ann, { run: UNKNOWN_RUN });
    expect(await refused(() => run.post(ann, path(), ofAnotherRun))).toEqual([400, "wrong-body"]);
  });

  it("signed for another run, or as another object, does not verify", async () => {
    const body = { run: run.run, peer: ann.publicKey, recoveryKey: null };
    for (const bytes of [
      signToBytes("registration", UNKNOWN_RUN, body, ann),
      signToBytes("intent", run.run, body, ann),
    ]) {
      expect(await refused(() => run.post(ann, path(), bytes))).toEqual([401, "bad-signature"]);
    }
  });

  it.each<[string, (signed: { body: object; signatures: object[] }) => Uint8Array, string]>([
    [
      "a field more",
      ({ body, ...rest }) => canonicalBytes({ ...rest, body: { ...body, more: 1 } }),
      "malformed",
    ],
    ["no signature", ({ body }) => canonicalBytes({ body, signatures: [] }), "malformed"],
    [
      "nine signatures",
      ({ body, signatures }) => canonicalBytes({ body, signatures: new Array(9).fill(signatures[0]) }),
      "malformed",
    ],
    ["spaces", (signed) => new TextEncoder().encode(JSON.stringify(signed, null, 1)), "not-canonical"],
    [
      "a key twice",
      (signed) =>
        Buffer.from(
          Buffer.from(canonicalBytes(signed)).toString().replace('"body":{', '"body":{"peer":"x",'),
        ),
      "not-canonical",
    ],
    [
      "__proto__",
      ({ signatures }) => Buffer.from(`{"body":{"__proto__":{}},"signatures":${JSON.stringify(signatures)}}`),
      "malformed",
    ],
    [
      "a line feed at the end",
      (signed) => Buffer.concat([canonicalBytes(signed), Buffer.from("\n")]),
      "not-canonical",
    ],
  ])("with %s is refused", async (_, change, code) => {
    const body = { run: run.run, peer: ann.publicKey, recoveryKey: null };
    const bytes = change(signBody("registration", run.run, body, ann));
    expect(await refused(() => run.post(ann, path(), bytes))).toEqual([400, code]);
  });

  // It once was so: the validator's HTTPException ("Malformed JSON") is no OuterloopError, so errors.ts answers 500 `internal`,
  // which tells the sender that it is safe to repeat it; client.ts does so for two minutes.
  it("with a byte order mark or broken UTF-8 is refused", async () => {
    const bytes = run.registration(ann);
    const marked = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes]);
    const broken = Buffer.from(bytes);
    broken[broken.length - 3] = 0xff;
    for (const sent of [marked, broken])
      expect((await refused(() => run.post(ann, path(), sent)))[0]).toBeLessThan(500);
  });
});

describe("an intent", () => {
  const path = (round = 1) => run.path(`/rounds/${round}/intents`);

  it("is stored once, and sent again meets its own answer", async () => {
    await run.post(ann, run.path("/peers"), run.registration(ann));
    const [first, second] = await twice(ann, path(), await run.intent(ann));
    expect([first?.body.outcome, second?.body.outcome]).toEqual(["created", "exists"]);
  });

  it("is never replaced by another one", async () => {
    await run.announce(ann);
    const leaving = await run.intent(ann, 1, { leaving: true });
    expect(await refused(() => run.post(ann, path(), leaving))).toEqual([409, "already-announced"]);
  });

  it("needs a registration", async () => {
    const bytes = await run.intent(eve);
    expect(await refused(() => run.post(eve, path(), bytes))).toEqual([403, "not-registered"]);
  });

  it("is of the round, the signer and the manifest that it is sent for", async () => {
    await run.announce(ann);
    await run.announce(ben);
    expect(await refused(async () => run.post(ann, path(2), await run.intent(ann, 1)))).toEqual([
      400,
      "wrong-body",
    ]);
    expect(await refused(async () => run.post(ann, path(), await run.intent(ben)))).toEqual([
      401,
      "missing-signature",
    ]);
    const inBensName = await run.intent(ann, 1, { peer: ben.publicKey });
    expect(await refused(() => run.post(ann, path(), inBensName))).toEqual([403, "wrong-signer"]);
    await run.post(eve, run.path("/peers"), run.registration(eve));
    const onAnother = await run.intent(eve, 1, { manifest: DIGEST });
    expect(await refused(() => run.post(eve, path(), onAnother))).toEqual([409, "wrong-manifest"]);
  });

  it("is for a round whose manifest before it stands: not for round 0, not for one to come", async () => {
    await run.announce(ann);
    for (const round of [0, 2, 3, 99_999_999]) {
      const bytes = await run.intent(ann, 1, { round });
      expect(await refused(() => run.post(ann, path(round), bytes))).toEqual([409, "round-not-open"]);
    }
  });

  it("names a round that is a number of the schema", async () => {
    const bytes = await run.intent(ann);
    for (const round of ["-1", "1.5", "x", "1e999", "100000000", "NaN", "9007199254740993", "%00"]) {
      const answer = () => run.post(ann, run.path(`/rounds/${round}/intents`), bytes);
      expect(await refused(answer)).toEqual([400, "malformed"]);
    }
  });

  it("asks for a decision", async () => {
    await run.announce(ann);
    const [message] = await run.ticks.receive({ leaseSeconds: 1 });
    expect(JSON.parse(message?.body ?? "")).toEqual({ type: "tick", run: run.run });
  });

  // It once was so: a tick follows every intent, though nothing was stored: one signed request, repeated, buys a whole
  // read of the open round each time, and the queue grows without end.
  it("sent again asks for none", async () => {
    await run.announce(ann);
    await run.ticks.receive({ max: 10, leaseSeconds: 100 });
    await run.post(ann, path(), await run.intent(ann));
    expect(await run.ticks.receive({ max: 10, leaseSeconds: 1 })).toEqual([]);
  });
});

describe("before the roster stands", () => {
  it("there is nothing to commit to and no ticket", async () => {
    await run.announce(ann);
    const body: Commit = {
      round: 1,
      peer: ann.publicKey,
      manifest: DIGEST,
      stateHash: DIGEST,
      stateProof: DIGEST,
      shards: [{ shard: 0, sizeBytes: 1, sha256: DIGEST }],
      claimed: { innerSteps: 0, tokens: 0, meanLoss: 0 },
    };
    const bytes = signToBytes("commit", run.run, body, ann);
    expect(await refused(() => run.post(ann, run.path("/rounds/1/commits"), bytes))).toEqual([
      409,
      "no-roster",
    ]);
    expect(await refused(() => run.post(ann, run.path("/rounds/1/tickets"), "{}"))).toEqual([
      409,
      "no-roster",
    ]);
  });
});

describe("a commit", () => {
  const path = (round = 1) => run.path(`/rounds/${round}/commits`);
  beforeEach(() => run.toRoster([ann, ben]));

  it("is acknowledged for what it says, with one pinned ticket a shard", async () => {
    const body = await run.commitBody(ann);
    const { status, body: answer } = await run.post(ann, path(), await run.commit(ann));
    expect(status).toBe(200);
    const { body: said } = verifyBytes(
      "acknowledgement",
      run.run,
      acknowledgementSchema,
      canonicalBytes(answer.acknowledgement),
      { anyOf: [keyOf("api").publicKey] },
    );
    expect(said).toMatchObject({ run: run.run, round: 1, peer: ann.publicKey, commit: hashOf(body) });
    expect(answer.tickets.map(({ shard }: { shard: number }) => shard)).toEqual([0, 1]);
    for (const { shard, ticket } of answer.tickets) {
      expect(ticket.url).toContain(keys.upload(run.run, 1, ann.publicKey, shard));
      expect(ticket.headers["content-length"]).toBe(String(body.shards[shard]?.sizeBytes));
    }
  });

  it("sent again meets its own acknowledgement", async () => {
    const [first, second] = await twice(ann, path(), await run.commit(ann));
    expect(second?.body.acknowledgement).toEqual(first?.body.acknowledgement);
  });

  it("is never replaced by another one", async () => {
    await run.post(ann, path(), await run.commit(ann));
    const other = await run.commit(ann, 1, { claimed: { innerSteps: 9, tokens: 9, meanLoss: 9 } });
    expect(await refused(() => run.post(ann, path(), other))).toEqual([409, "already-committed"]);
  });

  it("is of who signs, in the round of the path, on the manifest of the roster", async () => {
    const attempts: [Promise<Uint8Array>, SigningKey, number, number, string][] = [
      [run.commit(ben), ann, 1, 401, "missing-signature"],
      [run.commit(ann, 1, { peer: ben.publicKey }), ann, 1, 403, "wrong-signer"],
      [run.commit(ann), ann, 2, 400, "wrong-body"],
      [run.commit(ann, 1, { round: 2 }), ann, 2, 409, "no-roster"],
      [run.commit(ann, 1, { manifest: DIGEST }), ann, 1, 409, "wrong-manifest"],
      [run.commit(eve), eve, 1, 403, "not-in-roster"],
    ];
    for (const [bytes, key, round, status, code] of attempts) {
      const sent = await bytes;
      expect(await refused(() => run.post(key, path(round), sent))).toEqual([status, code]);
    }
  });

  it("names every shard of the layout, in order, at its one size", async () => {
    const { shards } = await run.commitBody(ann);
    const [first, second] = shards;
    if (first === undefined || second === undefined) throw new Error("the layout has two shards");
    for (const wrong of [
      [first],
      [second, first],
      [first, first],
      [first, second, { ...second, shard: 2 }],
      [first, { ...second, sizeBytes: second.sizeBytes + 1 }],
      [{ ...first, sizeBytes: 1 }, second],
      [first, { ...second, sizeBytes: 256 * 1024 * 1024 }],
    ]) {
      const bytes = await run.commit(ann, 1, { shards: wrong });
      expect(await refused(() => run.post(ann, path(), bytes))).toEqual([400, "size-mismatch"]);
    }
    for (const wrong of [
      [],
      [first, { ...second, sizeBytes: 256 * 1024 * 1024 + 1 }],
      [first, { ...second, shard: 65_536 }],
      [first, { ...second, sizeBytes: -1 }],
    ]) {
      const bytes = await run.commit(ann, 1, { shards: wrong });
      expect(await refused(() => run.post(ann, path(), bytes))).toEqual([400, "malformed"]);
    }
  });

  it("after the cutoff is stored but not acknowledged", async () => {
    await recordOnce(run.deciding, "cutoff", keys.cutoff(run.run, 1), {
      round: 1,
      asOf: "2026-01-31T12:00:00.000Z",
      reason: "test",
      roster: hashOf(await run.roster()),
      early: true,
    });
    const answer = await run.post(ann, path(), await run.commit(ann));
    expect(codeOf(answer)).toEqual([409, "round-closed"]);
    expect(answer.body.acknowledgement).toBeUndefined();
    expect(await run.store.head(keys.commit(run.run, 1, ann.publicKey))).not.toBeNull();
  });

  it("that stood before the cutoff, sent again after it, is not acknowledged a second time", async () => {
    const bytes = await run.commit(ann);
    expect((await run.post(ann, path(), bytes)).status).toBe(200);
    run.passTime(3_600_000);
    await run.advance();
    expect(codeOf(await run.post(ann, path(), bytes))).toEqual([409, "round-closed"]);
  });

  it("goes to a run that there is", async () => {
    const bytes = await run.commit(ann);
    const attempt = (id: string) => refused(() => run.post(ann, `/runs/${id}/rounds/1/commits`, bytes));
    expect(await attempt(UNKNOWN_RUN)).toEqual([404, "no-such-run"]);
    for (const id of ["x", "..%2F..", "%00", "A".repeat(100), `a-${"0".repeat(31)}`])
      expect(await attempt(id)).toEqual([400, "malformed"]);
  });
});

describe("upload tickets", () => {
  const path = () => run.path("/rounds/1/tickets");
  beforeEach(() => run.toRoster([ann, ben]));

  it("are for those in the roster who have committed", async () => {
    expect(await refused(() => run.post(eve, path(), "{}"))).toEqual([403, "not-in-roster"]);
    expect(await refused(() => run.post(ann, path(), "{}"))).toEqual([409, "no-commit"]);
    await run.post(ann, run.path("/rounds/1/commits"), await run.commit(ann));
    expect(await refused(() => run.post(ben, path(), "{}"))).toEqual([409, "no-commit"]);
    const { status, body } = await run.post(ann, path(), "{}");
    expect([status, body.tickets.length]).toEqual([200, 2]);
  });

  it("end with the time for uploads", async () => {
    await run.post(ann, run.path("/rounds/1/commits"), await run.commit(ann));
    const { body } = await run.post(ann, path(), "{}");
    const { uploadBy } = await run.roster();
    for (const { ticket } of body.tickets)
      expect(Date.parse(ticket.expiresAt)).toBeLessThanOrEqual(Date.parse(uploadBy));
    run.passTime(Date.parse(uploadBy) - Date.now());
    expect(await refused(() => run.post(ann, path(), "{}"))).toEqual([410, "upload-over"]);
  });

  // It once was so: only the clock ends tickets. After an early cutoff a commit that was just refused (`round-closed`)
  // still gets them, so its payload is stored, checked and written into the sealed folder of a closed round.
  it("are not for a commit that came after the cutoff", async () => {
    await recordOnce(run.deciding, "cutoff", keys.cutoff(run.run, 1), {
      round: 1,
      asOf: new Date().toISOString(),
      reason: "test",
      roster: hashOf(await run.roster()),
      early: true,
    });
    await run.post(ann, run.path("/rounds/1/commits"), await run.commit(ann));
    expect((await run.post(ann, path(), "{}")).status).toBe(409);
  });

  it("upload the committed bytes and no others, once", async () => {
    const { body } = await run.post(ann, run.path("/rounds/1/commits"), await run.commit(ann));
    const [{ ticket }] = body.tickets;
    const [bytes = new Uint8Array()] = await run.payload(ann);
    const send = async (sent: Uint8Array, url = ticket.url) =>
      codeOf(
        await answerOf(
          await run.app.request(url, { method: "PUT", headers: ticket.headers, body: new Uint8Array(sent) }),
        ),
      );
    expect(await send(bytes.map((byte) => byte ^ 1))).toEqual([400, "checksum-mismatch"]);
    expect(await send(bytes.slice(1))).toEqual([403, "length-mismatch"]);
    expect(await send(bytes, ticket.url.replace(ann.publicKey, ben.publicKey))).toEqual([
      403,
      "ticket-forged",
    ]);
    expect(await send(bytes, ticket.url.replace("00000001", "00000002"))).toEqual([403, "ticket-forged"]);
    expect(await send(bytes, ticket.url.replace("uploads/", "public/"))).toEqual([403, "ticket-forged"]);
    expect(await send(bytes)).toEqual([200, undefined]);
    expect(await send(bytes)).toEqual([412, "already-uploaded"]);
    const read = await run.get(new URL(ticket.url).pathname + new URL(ticket.url).search);
    expect(codeOf(read)).toEqual([403, "ticket-forged"]);
  });
});
