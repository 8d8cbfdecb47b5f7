/**
 * What other systems for training together are known to have got wrong, each as a story that has to end well here. The
 * names in brackets are theirs, with the issue in which it was told.
 */
import { beforeEach, describe, expect, it } from "vitest";
import { createApiClient, systemHost } from "../../functions/api/client.ts";
import { signRequest } from "../../functions/api/request-signatures.ts";
import { type Answer, ApiRun, keyOf, ORIGIN } from "../../functions/api/testing/api-run.ts";
import { receiptsOf } from "../../functions/coordinator/receipts.ts";
import { advance } from "../../functions/rounds/advance.ts";
import { checkUpload } from "../../functions/rounds/check-upload.ts";
import { ledgerOf, readFinishedRound } from "../../functions/rounds/history.ts";
import { readStatus } from "../../functions/rounds/status.ts";
import { explain, keys, type SigningKey } from "../../schemas/index.ts";
import { downloadState, follow, stateHash } from "../../workers/replica/parameters.ts";
import { openRunView } from "../../workers/replica/run-view.ts";

const [ann, ben, cat] = ["ann", "ben", "cat"].map(keyOf) as [SigningKey, SigningKey, SigningKey];
const judge = keyOf("evaluator-1");
const otherJudge = keyOf("evaluator-2");

const codeOf = ({ status, body }: Answer) => [status, body.code];

let run: ApiRun;
beforeEach(async () => {
  run = await ApiRun.create({ config: { rounds: 5 } });
});

const commit = async (key: SigningKey, round = 1) =>
  run.post(key, run.path(`/rounds/${round}/commits`), await run.commit(key, round));

/** Uploads one shard of what was committed, without a look at tickets: they are not what is told here. */
async function upload(key: SigningKey, shard: number, round = 1): Promise<void> {
  const bytes = (await run.payload(key, round))[shard] ?? new Uint8Array();
  await run.store.putIfAbsent(keys.upload(run.run, round, key.publicKey, shard), bytes);
  await checkUpload(run.deciding, { round, peer: key.publicKey, shard });
}

const stands = async (key: string) => (await run.store.head(key)) !== null;
const verdictOf = async (key: SigningKey, round = 1) =>
  (await run.close(round)).submissions.find(({ peer }) => peer === key.publicKey);
const receiptOf = async (key: SigningKey, round = 1) =>
  receiptsOf(await readFinishedRound(run.deciding, round)).find(({ peer }) => peer === key.publicKey);
/** Passes every deadline of the round, a decision at each. */
async function toTheEnd(round = 1): Promise<void> {
  for (let i = 0; i < 8 && !(await stands(keys.manifest(run.run, round))); i++) {
    run.passTime(60_000);
    await run.advance();
  }
  await run.writeState(round);
}

describe("late", () => {
  it("an upload that was begun in time and is there within the grace counts", async () => {
    await run.toRoster([ann, ben]);
    await run.deliver(ann);
    await commit(ben);
    // Commits may come for 30 s, uploads begin for 5 more, and have 2 s to arrive.
    run.passTime(36_000);
    for (const shard of [0, 1]) await upload(ben, shard);
    run.passTime(5_000);
    await run.advance();
    expect(await verdictOf(ben)).toMatchObject({ verdict: "included" });
  });

  it("an upload that ends two seconds after the phase moved has a verdict with both times, and costs nobody else [IOTA #191]", async () => {
    await run.toRoster([ann, ben, cat]);
    await run.deliver(ann);
    await run.deliver(ben);
    await commit(cat);
    await upload(cat, 0);
    run.passTime(39_000);
    await upload(cat, 1);
    await run.advance();
    const { verdict, refusal } = (await verdictOf(cat)) ?? {};
    expect(verdict).toBe("late");
    expect(refusal && explain(refusal)).toMatch(/arrived at \S+Z.+Z/);
    for (const other of [ann, ben]) expect(await verdictOf(other)).toMatchObject({ verdict: "included" });
  });

  it("a round whose cut-off has passed waits for nobody, though no message ever comes [OpenFL #981, Flower #4968]", async () => {
    await run.toRoster([ann, ben, cat]);
    await run.deliver(ann);
    await run.deliver(ben);
    // cat is dead. Nothing happens but time, and the sweep looks.
    run.passTime(60_000);
    await run.advance();
    expect(await stands(keys.close(run.run, 1))).toBe(true);
    expect((await run.close()).submissions.map(({ verdict }) => verdict)).toEqual(["included", "included"]);
  });

  it("a machine whose clock is half a minute wrong is in time if its objects are, by the store's clock [Templar #106, #142]", async () => {
    await run.toRoster([ann, ben]);
    for (const [key, skewMs] of [
      [ann, 25_000],
      [ben, -25_000],
    ] as const) {
      const url = `${ORIGIN}${run.path("/rounds/1/commits")}`;
      const body = await run.commit(key);
      const request = { method: "POST", url, headers: { "content-type": "application/json" }, body };
      const headers = await signRequest(request, key, Date.now() + skewMs);
      const sent = { ...headers, "content-length": String(body.length) };
      const answer = await run.app.request(url, {
        method: "POST",
        headers: sent,
        body: new Uint8Array(body),
      });
      expect(answer.status).toBe(200);
      for (const shard of [0, 1]) await upload(key, shard);
    }
    await run.advance();
    for (const key of [ann, ben]) expect(await verdictOf(key)).toMatchObject({ verdict: "included" });
  });

  it("who joins late trains from the newest state, not one round behind for ever [DISCO #718]", async () => {
    await run.emptyRound([ann, ben], 1);
    await run.toRoster([ann, ben, cat], 2);
    for (const key of [ann, ben, cat]) await run.deliver(key, 2);
    await run.advance();
    expect((await run.close(2)).submissions.map(({ verdict }) => verdict)).toEqual(Array(3).fill("included"));
  });
});

describe("gone", () => {
  it("the submission of a peer that left counts, and stands in for nobody who is still at work [DISCO #1221, #1223]", async () => {
    await run.toRoster([ann, ben, cat]);
    await run.deliver(ann);
    // ann is gone for good. ben has delivered, too: two of three, and cat is still training.
    await run.deliver(ben);
    await run.advance();
    expect(await stands(keys.cutoff(run.run, 1))).toBe(false);
    await run.deliver(cat);
    await run.advance();
    for (const key of [ann, ben, cat]) expect(await verdictOf(key)).toMatchObject({ verdict: "included" });
  });

  it("an update that builds on an older state is refused with the state it should have [DISCO #1219]", async () => {
    await run.emptyRound([ann, ben], 1);
    await run.toRoster([ann, ben], 2);
    const stale = await run.commit(ann, 2, { manifest: run.deciding.genesis.hash });
    const answer = await run.post(ann, run.path("/rounds/2/commits"), stale);
    expect(codeOf(answer)).toEqual([409, "wrong-manifest"]);
    expect(answer.body.message).toMatch(/catch up/);
  });

  it("when all have gone the round ends, and the next begins with whoever comes back [IOTA #199, #200, Flower #4147]", async () => {
    await run.toRoster([ann, ben]);
    await toTheEnd();
    expect(await stands(keys.manifest(run.run, 1))).toBe(true);
    const status = await readStatus(run.deciding);
    expect(status).toMatchObject({ round: 2, phase: "gather", endsAt: null });
    expect(status.waitingFor).not.toEqual([]);
    expect(status.afterwards).toMatch(/once enough peers have announced/);
    run.passTime(30 * 24 * 3_600_000);
    await run.toRoster([ben, cat], 2);
    expect((await run.roster(2)).peers).toHaveLength(2);
  });

  it("who announces and never delivers is waited for once, and then no more [torchft #63]", async () => {
    await run.toRoster([ann, ben, cat]);
    await run.deliver(ann);
    await run.deliver(ben);
    await toTheEnd();
    await run.toRoster([ann, ben, cat], 2);
    expect((await run.roster(2)).peers.find(({ peer }) => peer === cat.publicKey)?.awaited).toBe(false);
    await run.deliver(ann, 2);
    await run.deliver(ben, 2);
    await run.advance();
    expect(await stands(keys.close(run.run, 2))).toBe(true);
  });

  it("the data of a peer that never delivered is drawn again like all other [Psyche #21, prime #98]", async () => {
    await run.toRoster([ann, ben]);
    await run.deliver(ann);
    await toTheEnd();
    await run.toRoster([ann, ben], 2);
    const [first, second] = [await run.roster(1), await run.roster(2)];
    // Windows follow from the seed of a round and a place in its roster: nothing is kept for, or lost with, a peer.
    expect(first.seed).not.toBe(second.seed);
  });
});

describe("twice", () => {
  it("a commit that is sent twice gets the same answer twice, another one is refused by name [RL-Swarm #415]", async () => {
    await run.toRoster([ann, ben]);
    const [first, again] = [await commit(ann), await commit(ann)];
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.body.acknowledgement).toEqual(first.body.acknowledgement);
    const other = await run.commit(ann, 1, { claimed: { innerSteps: 9, tokens: 9, meanLoss: 9 } });
    expect(codeOf(await run.post(ann, run.path("/rounds/1/commits"), other))).toEqual([
      409,
      "already-committed",
    ]);
  });

  it("who never heard that its upload arrived asks again, and nothing is lost or counted twice [FLIP #684]", async () => {
    await run.toRoster([ann, ben]);
    const { body } = await commit(ann);
    const [bytes = new Uint8Array()] = await run.payload(ann);
    const { url, method, headers } = body.tickets[0].ticket;
    const put = () => run.app.request(url, { method, headers, body: new Uint8Array(bytes) });
    expect((await put()).status).toBe(200);
    // The answer was lost; the second try meets the first one.
    expect((await put()).status).toBe(412);
    await upload(ann, 1);
    await checkUpload(run.deciding, { round: 1, peer: ann.publicKey, shard: 0 });
    await run.deliver(ben);
    await run.advance();
    expect(await verdictOf(ann)).toMatchObject({ verdict: "included" });
  });

  it("two coordinators with different views make one roster, and both go on from it [torchft #48, #70]", async () => {
    for (const key of [ann, ben]) await run.announce(key);
    const send = async () => {};
    await Promise.all([advance(run.deciding, { send }), advance({ ...run.deciding }, { send })]);
    expect((await run.roster()).peers.map(({ peer }) => peer)).toEqual(
      [ann, ben].map((key) => key.publicKey).sort(),
    );
  });
});

describe("unknown", () => {
  it("an upload that nobody checked in time is no verdict on its peer [NVFlare #4209]", async () => {
    await run.toRoster([ann, ben, cat]);
    await run.deliver(ann);
    await run.deliver(ben);
    await commit(cat);
    for (const [shard, bytes] of (await run.payload(cat)).entries())
      await run.store.putIfAbsent(keys.upload(run.run, 1, cat.publicKey, shard), bytes);
    await toTheEnd();
    expect(await verdictOf(cat)).toMatchObject({ verdict: "not-checked" });
    const entry = (await ledgerOf(run.deciding, 1)).entries.get(cat.publicKey);
    expect(entry?.recent).not.toContain("fault");
    expect(entry?.awaited).toBe(true);
  });

  it("a round without any report is published empty at its deadline, and blames nobody", async () => {
    await run.toClose([ann, ben]);
    await toTheEnd();
    const { manifest } = await readFinishedRound(run.deciding, 1);
    expect(manifest.body.outcome).toBe("empty");
    expect(await receiptOf(ann)).toMatchObject({ verdict: "not-selected", reason: { code: "not-judged" } });
  });

  it("a shard that is never aggregated voids its round and nothing else; three in a row wait for the operator [IOTA #200]", async () => {
    for (const round of [1, 2, 3]) {
      await run.toClose([ann, ben], round);
      for (const one of [judge, otherJudge])
        await run.post(one, run.path(`/rounds/${round}/reports/0000`), await run.report(one, round));
      await run.advance();
      expect(await stands(keys.selection(run.run, round))).toBe(true);
      await toTheEnd(round);
      expect((await readFinishedRound(run.deciding, round)).manifest.body).toMatchObject({ outcome: "void" });
    }
    for (const key of [ann, ben]) await run.announce(key, 4);
    await run.advance();
    const { waitingFor, reason, afterwards } = await readStatus(run.deciding);
    expect(waitingFor.map(({ kind }) => kind)).toEqual(["resume"]);
    expect(reason).toMatch(/3 void rounds in a row/);
    expect(afterwards).toMatch(/operator resumes/);
  });
});

describe("away", () => {
  it("after a month's pause, with all old uploads gone, the run goes on and who is new catches up [Templar #165, #195]", async () => {
    await run.toClose([ann, ben]);
    await run.toManifest();
    run.passTime(31 * 24 * 3_600_000);
    // What a lifecycle rule removes by then.
    for (const key of await run.objects()) if (key.startsWith("uploads/")) await run.store.delete(key);
    for (const key of [ben, cat]) await run.announce(key, 2);
    // ann is waited for as long as announcing may take.
    run.passTime(60_000);
    await run.toClose([ben, cat], 2);
    await run.toManifest(2);

    const host = { ...systemHost, fetch: run.fetch };
    const view = await openRunView(createApiClient({ coordinator: ORIGIN, host }), run.run);
    const start = await downloadState(view, 0);
    if (start === null) throw new Error("no genesis state");
    const { round, theta } = await follow(view, start);
    const published = await downloadState(view, 2);
    expect([round, stateHash(view, theta)]).toEqual([2, published && stateHash(view, published.theta)]);
    expect((await readFinishedRound(run.deciding, 2)).manifest.body.outcome).toBe("applied");
  });
});

describe("crashed", () => {
  it("a coordinator that is gone for an hour goes on where the bucket stands [PCCL, prime]", async () => {
    await run.toRoster([ann, ben]);
    for (const key of [ann, ben]) await run.deliver(key);
    run.passTime(3_600_000);
    await run.advance();
    for (const key of [ann, ben]) expect(await verdictOf(key)).toMatchObject({ verdict: "included" });
  });
});
