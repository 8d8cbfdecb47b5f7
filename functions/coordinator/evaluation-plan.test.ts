import { describe, expect, it } from "vitest";
import { f64FromHex } from "../../schemas/index.ts";
import { evaluationPlan } from "./evaluation-plan.ts";
import {
  configWith,
  digest,
  establishedEntry,
  ledgerFrom,
  peerId,
  peerIds,
  runFacts,
  settledCommit,
  settleFacts,
  testConfig,
} from "./testing/facts.ts";

const { judging } = testConfig.gauntlet;

interface Setting {
  peers: number;
  established?: number;
  waiting?: readonly string[];
  changes?: Partial<typeof judging>;
  secondsPerUpdate?: number | null;
  clusters?: readonly (readonly string[])[];
  owners?: number;
}

function plan(setting: Setting, seed = digest("seed")) {
  const { peers, established = 0, waiting = [], changes = {}, secondsPerUpdate = null } = setting;
  const { ownersPerGroup } = testConfig.gauntlet;
  const config = configWith("gauntlet", {
    judging: { ...judging, ...changes },
    ownersPerGroup: setting.owners ?? ownersPerGroup,
  });
  const judgedLast = f64(0.1);
  const ledger = ledgerFrom(
    peerIds(established).map((peer) =>
      establishedEntry(peer, { lossScore: waiting.includes(peer) ? null : judgedLast }),
    ),
  );
  const run = runFacts({ config, previous: { ...runFacts().previous, ledger, secondsPerUpdate } });
  const facts = settleFacts(
    peerIds(peers).map((peer) => settledCommit(peer)),
    { run },
  );
  const clusters = (setting.clusters ?? []).map((members) => ({
    ...{ peers: [...members], overlap: 1, threshold: 0.65, identical: true },
  }));
  return evaluationPlan(facts, seed, peerIds(peers), clusters);
}
const f64 = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes.toString("hex");
};
const judged = ({ jobs }: ReturnType<typeof plan>) => jobs.flatMap(({ peers }) => peers);

describe("the evaluation plan", () => {
  it("judges everybody once while the budget suffices, in groups as even as they come", () => {
    const { jobs } = plan({ peers: 19 });
    expect(jobs.map(({ peers }) => peers.length)).toEqual([7, 6, 6]);
    expect(jobs.flatMap(({ peers }) => peers).sort()).toEqual(peerIds(19));
  });

  it("counts the budget in evaluator-seconds, at what an update was last seen to cost", () => {
    const first = plan({ peers: 40, changes: { budgetSeconds: 20, secondsPerUpdate: 1 } });
    expect(first.budget.updates).toBe(20);
    expect(judged(first)).toHaveLength(20);
    const measured = plan({ peers: 40, changes: { budgetSeconds: 20 }, secondsPerUpdate: 2 });
    expect([measured.budget.updates, f64FromHex(measured.budget.secondsPerUpdate)]).toEqual([10, 2]);
  });

  it("judges as many as a round needs, however dear an update is", () => {
    const { minSubmissions } = testConfig.gauntlet;
    const dear = plan({ peers: 4, changes: { budgetSeconds: 1 }, secondsPerUpdate: 1_000 });
    expect(judged(dear)).toHaveLength(minSubmissions);
  });

  it("keeps seven tenths for established peers, and gives either side what the other leaves", () => {
    const isOld = (peer: string) => Number.parseInt(peer.slice(0, 4), 16) <= 20;
    const budget = { budgetSeconds: 10, secondsPerUpdate: 1 };
    const count = (setting: Setting) => judged(plan(setting)).filter(isOld).length;
    expect(count({ peers: 60, established: 20, changes: budget })).toBe(7);
    expect(count({ peers: 21, established: 20, changes: budget })).toBe(9);
    expect(judged(plan({ peers: 60, established: 2, changes: budget }))).toHaveLength(10);
  });

  it("judges first who was left out the last time", () => {
    const waiting = [peerId(3), peerId(9)];
    const setting = {
      peers: 60,
      established: 20,
      waiting,
      changes: { budgetSeconds: 3, secondsPerUpdate: 1 },
    };
    for (const seed of ["a", "b", "c"])
      expect(judged(plan(setting, digest(seed)))).toEqual(expect.arrayContaining(waiting));
  });

  it("spends on copies only what is left", () => {
    const copies = peerIds(30);
    const setting = { peers: 40, clusters: [copies], changes: { budgetSeconds: 11, secondsPerUpdate: 1 } };
    const chosen = judged(plan(setting));
    expect(chosen.filter((peer) => copies.includes(peer))).toHaveLength(1);
    expect(chosen).toHaveLength(11);
  });

  it("judges the copy with the best record: who is copied must not lose its turn to those who copy", () => {
    const copies = [peerId(2), ...peerIds(40).slice(35)];
    const setting = {
      peers: 40,
      established: 20,
      clusters: [copies],
      changes: { budgetSeconds: 35, secondsPerUpdate: 1 },
    };
    for (const seed of ["a", "b", "c", "d"])
      expect(judged(plan(setting, digest(seed))).filter((peer) => copies.includes(peer))).toEqual([
        peerId(2),
      ]);
  });

  it("leaves a place to newcomers however little can be judged", () => {
    const setting = { peers: 30, established: 20, changes: { budgetSeconds: 3, secondsPerUpdate: 1 } };
    expect(judged(plan(setting)).filter((peer) => !peerIds(20).includes(peer))).toHaveLength(1);
  });

  it.each([
    [6, [6]],
    [7, [7]],
    [9, [5, 4]],
    [13, [5, 4, 4]],
    [3, [3]],
  ])("makes no group of %d smaller than the matrix test needs, if it can", (peers, sizes) => {
    expect(plan({ peers, owners: 4 }).jobs.map((job) => job.peers.length)).toEqual(sizes);
  });

  it("puts canaries into some jobs", () => {
    const many = { peers: 800, changes: { canaries: 0.25, budgetSeconds: 1e6 } };
    const { jobs } = plan(many);
    const canaries = jobs.filter(({ canary }) => canary !== null);
    expect(canaries.length / jobs.length).toBeGreaterThan(0.1);
    expect(canaries.length / jobs.length).toBeLessThan(0.45);
    for (const { canary, peers } of canaries) {
      expect(canary?.kind).toBe("nothing");
      expect(peers).toContain(canary?.peer);
    }
    const none = plan({ ...many, changes: { ...many.changes, canaries: 0 } });
    expect(none.jobs.every(({ canary }) => canary === null)).toBe(true);
  });

  it("takes the reverse of an established peer's update as canary where there is one", () => {
    const { jobs } = plan({ peers: 8, established: 2, changes: { canaries: 1 } });
    expect(jobs[0]?.canary?.kind).toBe("reverse");
    expect(peerIds(2)).toContain(jobs[0]?.canary?.peer);
  });
});
