import { beforeEach, describe, expect, it } from "vitest";
import {
  type Control,
  type HeldOut,
  keys,
  type LedgerPage,
  LONGEST_LEASE_SECONDS,
  type SigningKey,
  sha256,
  signToBytes,
} from "../../schemas/index.ts";
import { signRequest } from "./request-signatures.ts";
import { type Answer, ApiRun, answerOf, keyOf, ORIGIN } from "./testing/api-run.ts";

const [ann, ben, eve] = [keyOf("ann"), keyOf("ben"), keyOf("eve")];
const [judge, other] = [keyOf("evaluator-1"), keyOf("evaluator-2")];
const DIGEST = sha256(new Uint8Array());

let run: ApiRun;
beforeEach(async () => {
  run = await ApiRun.create();
});

const codeOf = ({ status, body }: Answer) => [status, body.code];
const json = (value: unknown) => JSON.stringify(value);
const tickets = (key: SigningKey, wanted: unknown[], to = run) =>
  to.post(key, to.path("/read-tickets"), json({ keys: wanted }));
const heldOut = (key: SigningKey, round: number, changes: Partial<HeldOut> = {}) => {
  const body: HeldOut = {
    round,
    evaluator: key.publicKey,
    stateHash: DIGEST,
    windows: 4,
    loss: "4014000000000000",
    ...changes,
  };
  return signToBytes("held-out", run.run, body, key);
};
const say = (number: number, action: Control["action"]) =>
  run.store.putIfAbsent(
    keys.control(run.run, number),
    signToBytes(
      "control",
      run.run,
      { number, issuedAt: "2026-01-31T12:00:00.000Z", action },
      keyOf("root-1"),
      keyOf("root-2"),
    ),
  );
const keySet = (evaluators: SigningKey[]) => ({
  coordinator: [keyOf("coordinator").publicKey],
  api: [keyOf("api").publicKey],
  evaluators: evaluators.map(({ publicKey }) => publicKey),
});

describe("to anybody but an evaluator", () => {
  it.each(["stranger", "peer", "coordinator", "api"])(
    "every route of an evaluator is closed: %s",
    async (who) => {
      await run.toClose([ann, ben]);
      await run.jobs.send(json({ type: "judge", run: run.run, round: 1, job: "0000", others: [] }));
      const key =
        { stranger: eve, peer: ann, coordinator: keyOf("coordinator"), api: keyOf("api") }[who] ?? eve;
      const message = { id: "x", body: "", lease: "x", receives: 1 };
      const before = await run.objects();
      const requests: [string, string | Uint8Array][] = [
        ["/jobs/receive", json({ leaseSeconds: 30 })],
        ["/jobs/extend", json({ message, leaseSeconds: 30 })],
        ["/jobs/ack", json({ message })],
        ["/read-tickets", json({ keys: [keys.commit(run.run, 1, ann.publicKey)] })],
        ["/rounds/1/reports/0000", await run.report(key)],
        ["/rounds/1/held-out", heldOut(key, 1)],
      ];
      for (const [path, body] of requests)
        expect([path, ...codeOf(await run.post(key, run.path(path), body))]).toEqual([
          path,
          403,
          "not-an-evaluator",
        ]);
      expect(await run.objects()).toEqual(before);
      expect((await run.jobs.receive({ leaseSeconds: 1 })).length).toBe(1);
    },
  );

  it("the jobs are closed unsigned, by any method", async () => {
    for (const method of ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
      expect((await run.get(run.path("/jobs/receive"), { method })).status).toBeGreaterThanOrEqual(400);
    expect(codeOf(await run.get(run.path("/jobs/receive"), { method: "POST" }))).toEqual([
      401,
      "unsigned-request",
    ]);
  });

  it("the jobs cannot be sent or read as dead letters, not even by an evaluator", async () => {
    for (const operation of ["send", "dead-letters"])
      expect((await run.post(judge, run.path(`/jobs/${operation}`), json({ body: "x" }))).status).toBe(404);
  });
});

describe("to an evaluator that was found wrong in three rounds", () => {
  const found = async (faults: number[]) => {
    await run.emptyRound([ann, ben], 1);
    const page: LedgerPage = {
      round: 1,
      page: 0,
      manifest: await run.manifestBefore(2),
      medianNorm: null,
      secondsPerUpdate: null,
      evaluators: [{ evaluator: judge.publicKey, confirmed: 9, faults }],
      entries: [],
    };
    await run.store.delete(keys.ledger(run.run, 1, 0));
    await run.store.putIfAbsent(
      keys.ledger(run.run, 1, 0),
      signToBytes("ledger", run.run, page, keyOf("coordinator")),
    );
    return run.post(judge, run.path("/jobs/receive"), json({ leaseSeconds: 30 }));
  };

  it("jobs are closed, and it is told since when and what to do", async () => {
    const answer = await found([1, 1, 1]);
    expect(codeOf(answer)).toEqual([403, "evaluator-out"]);
    expect(answer.body.message).toContain("ask the operator for a new key");
    expect((await run.post(other, run.path("/jobs/receive"), json({ leaseSeconds: 30 }))).status).toBe(200);
  });

  it("of two faults nothing comes", async () => {
    expect((await found([1, 1])).status).toBe(200);
  });
});

describe("jobs", () => {
  const post = (path: string, body: unknown) => run.post(judge, run.path(`/jobs/${path}`), json(body));

  it("are leased, kept and done by an evaluator", async () => {
    await run.jobs.send("work");
    const [message] = (await post("receive", { leaseSeconds: 30 })).body.messages;
    expect(message.body).toBe("work");
    expect((await post("extend", { message: { ...message, body: "" }, leaseSeconds: 60 })).status).toBe(200);
    expect((await post("ack", { message: { ...message, body: "" } })).status).toBe(200);
    expect(codeOf(await post("extend", { message, leaseSeconds: 60 }))).toEqual([409, "lease-lost"]);
  });

  it("stay with who leased them: another's lease cannot be guessed or lent", async () => {
    await run.jobs.send("work");
    const [message] = (await post("receive", { leaseSeconds: 30 })).body.messages;
    const guess = { ...message, lease: "guess" };
    expect(
      codeOf(await run.post(other, run.path("/jobs/extend"), json({ message: guess, leaseSeconds: 0 }))),
    ).toEqual([409, "lease-lost"]);
    await run.post(other, run.path("/jobs/ack"), json({ message: guess }));
    await run.post(other, run.path("/jobs/ack"), json({ message: { ...message, lease: "" } }));
    expect((await post("ack", { message })).status).toBe(200);
  });

  it.each([
    ["receive", {}, "invalid-body"],
    ["receive", { leaseSeconds: 30, max: 1_000 }, "invalid-option"],
    ["receive", { leaseSeconds: 30, waitSeconds: 1e9 }, "invalid-option"],
    ["receive", { leaseSeconds: -1 }, "invalid-option"],
    ["receive", { leaseSeconds: 1e9 }, "invalid-option"],
    ["receive", [], "invalid-body"],
    ["ack", { message: { id: "../../x", body: "", lease: 1, receives: 1 } }, "invalid-body"],
    ["ack", { message: { id: "x".repeat(201), body: "", lease: "x", receives: 1 } }, "invalid-body"],
  ])("POST jobs/%s %j is refused", async (path, body, code) => {
    expect(codeOf(await post(path, body))).toEqual([400, code]);
  });

  it("of one run are not given to an evaluator of another, and do not age by being asked for", async () => {
    const older = await ApiRun.create({ slug: "older", evaluators: ["old-evaluator"], beside: run });
    const job = json({ type: "judge", run: run.run, round: 1, job: "0000", others: [] });
    await run.jobs.send(job);
    for (let asked = 0; asked < 3; asked++) {
      const answer = await older.post(
        keyOf("old-evaluator"),
        older.path("/jobs/receive"),
        json({ leaseSeconds: 43_200, max: 10 }),
      );
      expect(answer.body.messages).toEqual([]);
      run.clock.aheadMs += 6_000;
    }
    const { messages } = (await post("receive", { leaseSeconds: 30 })).body;
    expect(messages).toMatchObject([{ body: job, receives: 1 }]);
  });

  it("of a run that is over go when somebody else meets them", async () => {
    const older = await ApiRun.create({ slug: "older", evaluators: ["old-evaluator"], beside: run });
    await run.jobs.send(json({ type: "judge", run: run.run, round: 1, job: "0000", others: [] }));
    await run.store.delete(keys.active(run.run));
    await older.post(keyOf("old-evaluator"), older.path("/jobs/receive"), json({ leaseSeconds: 30 }));
    run.clock.aheadMs += 60_000;
    expect((await post("receive", { leaseSeconds: 30 })).body.messages).toEqual([]);
  });

  it("are not kept longer by an extension than by a lease", async () => {
    await run.jobs.send("work");
    const [message] = (await post("receive", { leaseSeconds: 30 })).body.messages;
    expect((await post("extend", { message: { ...message, body: "" }, leaseSeconds: 43_200 })).status).toBe(
      200,
    );
    run.clock.aheadMs += 1_000 * LONGEST_LEASE_SECONDS + 1;
    expect((await post("receive", { leaseSeconds: 30 })).body.messages).toMatchObject([{ body: "work" }]);
  });

  // No nonce is kept, because every write is created once; receiving is no such write. It once was so that who had seen one request
  // could repeat it for 90 s and lease job after job for twelve hours.
  it("that a repeated request leases come back within a minute", async () => {
    await run.jobs.send("one");
    await run.jobs.send("two");
    const url = `${ORIGIN}${run.path("/jobs/receive")}`;
    const body = new TextEncoder().encode(json({ leaseSeconds: 43_200 }));
    const request = { method: "POST", url, headers: { "content-type": "application/json" }, body };
    const headers = { ...(await signRequest(request, judge)), "content-length": String(body.length) };
    const send = async () => answerOf(await run.app.request(url, { method: "POST", headers, body }));
    const repeated = [await send(), await send()].flatMap((answer) => answer.body.messages);
    expect(repeated.map((message: { body: string }) => message.body).sort()).toEqual(["one", "two"]);
    run.clock.aheadMs += 1_000 * LONGEST_LEASE_SECONDS + 1;
    const { messages } = (await post("receive", { leaseSeconds: 30, max: 10 })).body;
    expect(messages.map((message: { body: string }) => message.body).sort()).toEqual(["one", "two"]);
  });
});

describe("read tickets", () => {
  it("are for commits and uploads of closed rounds", async () => {
    await run.toClose([ann, ben]);
    const wanted = [keys.commit(run.run, 1, ann.publicKey), keys.upload(run.run, 1, ben.publicKey, 1)];
    const { status, body } = await tickets(judge, wanted);
    expect([status, body.tickets.map(({ key }: { key: string }) => key)]).toEqual([200, wanted]);
    for (const { key, ticket } of body.tickets) {
      const answer = await run.app.request(ticket.url);
      const stored = await run.store.get(key);
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(Buffer.from(stored?.bytes ?? []));
      expect((await run.app.request(ticket.url, { method: "PUT", body: "x" })).status).toBe(403);
    }
  });

  it("are not for a round that is still open, whatever is asked for beside it", async () => {
    await run.toRoster([ann, ben]);
    await run.deliver(ann);
    expect(codeOf(await tickets(judge, [keys.commit(run.run, 1, ann.publicKey)]))).toEqual([409, "no-close"]);
    expect(codeOf(await tickets(judge, [keys.upload(run.run, 1, ann.publicKey, 0)]))).toEqual([
      409,
      "no-close",
    ]);
    expect(codeOf(await tickets(judge, [keys.upload(run.run, 0, ann.publicKey, 0)]))).toEqual([
      409,
      "no-close",
    ]);
  });

  it.each<[string, (run: string, peer: string) => string]>([
    ["a check", (id, peer) => keys.check(id, 1, peer, 0)],
    ["a report", (id) => keys.report(id, 1, "0000", other.publicKey)],
    ["an aggregate's record", (id) => keys.aggregateRecord(id, 1, 0, "selected")],
    ["a public object", (id) => keys.genesis(id)],
    ["a commit of another run", (_, peer) => keys.commit(`other-${"0".repeat(32)}`, 1, peer)],
    ["an upload of another run", (_, peer) => keys.upload(`other-${"0".repeat(32)}`, 1, peer, 0)],
    ["a way up", (id, peer) => `uploads/${id}/00000001/${peer}/../${peer}/00000.slc`],
    ["a way up, escaped", (id, peer) => `uploads/${id}/00000001/${peer}%2f..%2f/00000.slc`],
    ["an escaped slash", (id, peer) => `uploads%2F${id}%2F00000001%2F${peer}%2F00000.slc`],
    ["another run before the right one", (id, peer) => `sealed/x/../${id}/00000001/${peer}/commit.json`],
    ["a slash too many", (id, peer) => `sealed//${id}/00000001/${peer}/commit.json`],
    ["a slash before", (id, peer) => `/${keys.commit(id, 1, peer)}`],
    ["a line after", (id, peer) => `${keys.commit(id, 1, peer)}\n`],
    ["a query", (id, peer) => `${keys.commit(id, 1, peer)}?ticket=x`],
    ["capitals", (id, peer) => keys.commit(id, 1, peer.toUpperCase())],
    ["a longer round", (id, peer) => keys.commit(id, 123_456_789, peer)],
    ["other digits", (id, peer) => keys.commit(id, 1, peer).replace("00000001", "0000000１")],
    ["nothing", () => ""],
    ["the active marker", (id) => keys.active(id)],
  ])("are not for %s", async (_, keyFor) => {
    await run.toClose([ann, ben]);
    expect(codeOf(await tickets(judge, [keyFor(run.run, ann.publicKey)]))).toEqual([404, "no-such-object"]);
  });

  it.each([
    ["no keys", { keys: [] }],
    ["a thousand and one keys", { keys: new Array(1_001).fill("x") }],
    ["a long key", { keys: ["x".repeat(1_025)] }],
    ["a number", { keys: [1] }],
    ["another field", { keys: ["x"], more: 1 }],
    ["a list", ["x"]],
  ])("are not for %s", async (_, body) => {
    expect(codeOf(await run.post(judge, run.path("/read-tickets"), json(body)))).toEqual([400, "malformed"]);
  });

  it("for a thousand keys of a thousand rounds read no more than a thousand small objects", async () => {
    let reads = 0;
    const counted = await ApiRun.create({
      through: (store) => ({
        ...store,
        get: (key, options) => {
          reads++;
          return store.get(key, options);
        },
      }),
    });
    const wanted = Array.from({ length: 1_000 }, (_, i) => keys.commit(counted.run, i + 1, ann.publicKey));
    reads = 0;
    expect((await tickets(judge, wanted, counted)).status).toBe(409);
    expect(reads).toBeLessThan(1_010);
  });
});

describe("a report", () => {
  beforeEach(() => run.toClose([ann, ben]));
  const path = (job = "0000", round = 1) => run.path(`/rounds/${round}/reports/${job}`);
  const job = async () => (await run.close()).plan.jobs[0]?.job ?? "";

  it("is stored once by job and evaluator; the first one stands", async () => {
    const name = await job();
    expect((await run.post(judge, path(name), await run.report(judge))).body.outcome).toBe("created");
    const before = await run.store.get(keys.report(run.run, 1, name, judge.publicKey));
    expect((await run.post(judge, path(name), await run.report(judge))).body.outcome).toBe("exists");
    const changed = await run.report(judge, 1, { stateHash: DIGEST });
    expect((await run.post(judge, path(name), changed)).body.outcome).toBe("exists");
    const after = await run.store.get(keys.report(run.run, 1, name, judge.publicKey));
    expect(after?.etag).toBe(before?.etag);
    expect((await run.post(other, path(name), await run.report(other))).body.outcome).toBe("created");
  });

  it("of another's name is refused", async () => {
    const name = await job();
    expect(codeOf(await run.post(judge, path(name), await run.report(other)))).toEqual([
      401,
      "missing-signature",
    ]);
    const inAnothersName = await run.report(judge, 1, { evaluator: other.publicKey });
    expect(codeOf(await run.post(judge, path(name), inAnothersName))).toEqual([400, "wrong-report"]);
  });

  it("of a shape that the plan does not ask for is refused, and not stored", async () => {
    const name = await job();
    const close = await run.close();
    const right = JSON.parse(new TextDecoder().decode(await run.report(judge))).body;
    const before = await run.objects();
    const wrong: Parameters<ApiRun["report"]>[2][] = [
      { close: DIGEST },
      { round: 2 },
      { job: "0007" },
      { base: right.base.slice(8) },
      { base: `${right.base}00000000` },
      { losses: [] },
      { losses: right.losses.slice(1) },
      { losses: [...right.losses].reverse() },
      { losses: [...right.losses, right.losses[0]] },
      { losses: right.losses.map((one: object) => ({ ...one, peer: eve.publicKey })) },
      { losses: right.losses.map((one: { losses: string }) => ({ ...one, losses: one.losses.slice(8) })) },
    ];
    for (const changes of wrong)
      expect(codeOf(await run.post(judge, path(name), await run.report(judge, 1, changes)))).toEqual([
        400,
        "wrong-report",
      ]);
    for (const changes of [
      { base: "" },
      { base: "xyz" },
      { base: "0".repeat(7) },
      { job: "1" },
      { job: "../1" },
    ])
      expect(codeOf(await run.post(judge, path(name), await run.report(judge, 1, changes)))).toEqual([
        400,
        "malformed",
      ]);
    expect(close.plan.jobs.length).toBeGreaterThan(0);
    expect(await run.objects()).toEqual(before);
  });

  it("goes to the job and the round in its path", async () => {
    const bytes = await run.report(judge);
    const name = await job();
    expect(codeOf(await run.post(judge, path("0009"), bytes))).toEqual([400, "wrong-report"]);
    expect(codeOf(await run.post(judge, path(name, 2), bytes))).toEqual([409, "no-close"]);
    expect(codeOf(await run.post(judge, path("x".repeat(17)), bytes))).toEqual([400, "malformed"]);
    for (const trick of ["..%2F..%2Fpublic", "%2e%2e", "0000%2F..%2F0000", "0000%00"])
      expect((await run.post(judge, path(trick), bytes)).status).toBeLessThan(500);
    expect((await run.objects()).filter((key) => key.includes("/reports/"))).toEqual([]);
  });
});

describe("a held-out loss", () => {
  const path = (round = 0) => run.path(`/rounds/${round}/held-out`);

  it("is stored once by round and evaluator", async () => {
    expect((await run.post(judge, path(), heldOut(judge, 0))).body.outcome).toBe("created");
    expect((await run.post(judge, path(), heldOut(judge, 0, { windows: 9 }))).body.outcome).toBe("exists");
  });

  it("is of the round and the evaluator of its request", async () => {
    expect(codeOf(await run.post(judge, path(1), heldOut(judge, 0)))).toEqual([400, "wrong-report"]);
    expect(codeOf(await run.post(judge, path(), heldOut(judge, 0, { evaluator: other.publicKey })))).toEqual([
      400,
      "wrong-report",
    ]);
    expect(codeOf(await run.post(judge, path(), heldOut(other, 0)))).toEqual([401, "missing-signature"]);
    expect(codeOf(await run.post(judge, path(), heldOut(judge, 0, { windows: 0 })))).toEqual([
      400,
      "malformed",
    ]);
  });
});

describe("a key set that the operator announces", () => {
  it("lets new evaluators in from its round on, and old ones out", async () => {
    await say(1, { kind: "keys", keys: keySet([other]), effectiveFromRound: 1 });
    expect(codeOf(await run.post(judge, run.path("/jobs/receive"), json({ leaseSeconds: 1 })))).toEqual([
      403,
      "not-an-evaluator",
    ]);
    expect((await run.post(other, run.path("/jobs/receive"), json({ leaseSeconds: 1 }))).status).toBe(200);
  });

  it("counts for nothing before its round, and for nothing without all roots", async () => {
    await say(1, { kind: "keys", keys: keySet([eve]), effectiveFromRound: 2 });
    expect((await run.post(eve, run.path("/jobs/receive"), json({ leaseSeconds: 1 }))).status).toBe(403);
    expect((await run.post(judge, run.path("/jobs/receive"), json({ leaseSeconds: 1 }))).status).toBe(200);
  });

  // It once was so: the round comes from `environment.openRound`, a hint that is 1 in a process that has not ticked
  // (a restarted one, one that only serves the API, any run but the current one): there a revoked evaluator goes on.
  it("counts in a process that has only just started", async () => {
    await run.emptyRound([ann, ben], 1);
    await say(1, { kind: "keys", keys: keySet([other]), effectiveFromRound: 2 });
    run.openRounds.clear();
    expect((await run.post(judge, run.path("/jobs/receive"), json({ leaseSeconds: 1 }))).status).toBe(403);
  });
});
