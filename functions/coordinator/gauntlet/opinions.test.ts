import { describe, expect, it } from "vitest";
import type { EvaluatorRecord, Job } from "../../../schemas/index.ts";
import {
  closeOf,
  cutoffOf,
  digest,
  type Gains,
  jobOf,
  peerId,
  peerIds,
  reportOf,
  rosterOf,
  trustedEvaluator,
} from "../testing/facts.ts";
import { packLosses } from "./losses.ts";
import { doubledJobs, type OpinionRules, opinionOn } from "./opinions.ts";

const peers = peerIds(2);
const [ann, ben, cat] = [peerId(901), peerId(902), peerId(903)];
const good = (): Gains => ({ anchor: [0.1], owned: [0.15, 0.1] });
/** What somebody says who crowns the first peer. */
const crowned = (_: string, place: number): Gains => ({
  anchor: [place === 0 ? 0.5 : 0.1],
  owned: [0.15, 0.1],
});

function closeWith(job: Job) {
  const roster = rosterOf(peers);
  const { plan } = closeOf(roster, cutoffOf(roster), peers).body;
  return closeOf(roster, cutoffOf(roster), peers, { plan: { ...plan, jobs: [job] } });
}

interface Setting {
  job?: Partial<Job>;
  evaluators?: readonly string[];
  records?: readonly EvaluatorRecord[];
  doubled?: boolean;
}
type Said = { evaluator: string; gains?: typeof crowned; others?: readonly string[] };

function opinion(said: readonly Said[], setting: Setting = {}) {
  const { evaluators = [ann, ben, cat], records = [] } = setting;
  const job = jobOf(peers, setting.job);
  const close = closeWith(job);
  const rules: OpinionRules = {
    round: 20,
    evaluators,
    records: new Map(records.map((record) => [record.evaluator, record])),
    anchorSequences: 4,
    privateSequences: 1,
    tolerance: 0.05,
    doubled: new Set(setting.doubled === true ? [job.job] : []),
  };
  const reports = said.map(({ evaluator, gains = good, others = [] }) =>
    reportOf(close, gains, { evaluator, others }),
  );
  return { ...opinionOn(job, reports, rules), reports, job, rules };
}

describe("second opinions", () => {
  const jobs = Array.from({ length: 400 }, (_, i) => jobOf(peers, { job: String(i).padStart(4, "0") }));

  it("are drawn from a link that nobody knows yet; whoever has none must take every job for one", () => {
    const drawn = doubledJobs(jobs, 0.25, digest("a"));
    expect(drawn.size).toBeGreaterThan(60);
    expect(drawn.size).toBeLessThan(140);
    expect(doubledJobs(jobs, 0.25, digest("a"))).toEqual(drawn);
    expect(doubledJobs(jobs, 0.25, digest("b"))).not.toEqual(drawn);
    expect(doubledJobs(jobs, 0.25, undefined).size).toBe(400);
  });

  it("are none where none are wanted", () => {
    expect(doubledJobs(jobs, 0, digest("a")).size).toBe(0);
    expect(doubledJobs(jobs, 0, undefined).size).toBe(0);
  });
});

describe("an opinion on a job", () => {
  it("of nobody says nothing", () => {
    expect(opinion([])).toMatchObject({ gains: null, settled: false, reported: [] });
  });

  it("of one trusted evaluator is enough", () => {
    const { gains, settled } = opinion([{ evaluator: ann }], { records: [trustedEvaluator(ann)] });
    expect(settled).toBe(true);
    expect(gains?.anchor[0]?.[0]).toBeCloseTo(0.1, 6);
    expect(gains?.owned[0]?.map(([first]) => Math.round(100 * (first ?? 0)))).toEqual([15, 10]);
  });

  it("of one trusted evaluator is not where two were drawn", () => {
    const setting = { records: [trustedEvaluator(ann)], doubled: true };
    expect(opinion([{ evaluator: ann }], setting).settled).toBe(false);
    const both = opinion([{ evaluator: ann }, { evaluator: ben, others: [ann] }], setting);
    expect(both).toMatchObject({ settled: true, confirmed: [ann, ben] });
  });

  it("of a new evaluator needs another one, unless it is alone", () => {
    expect(opinion([{ evaluator: ann }]).settled).toBe(false);
    expect(opinion([{ evaluator: ann }], { evaluators: [ann] }).settled).toBe(true);
    expect(opinion([{ evaluator: ann }, { evaluator: ben }]).settled).toBe(true);
  });

  it("counts what it has at the deadline, though it is not settled", () => {
    expect(opinion([{ evaluator: ann }]).gains).not.toBeNull();
  });

  it("of two that differ is none: a third is asked for, and blames who is alone", () => {
    const two = opinion([{ evaluator: ann, gains: crowned }, { evaluator: ben }]);
    expect(two).toMatchObject({
      gains: null,
      settled: false,
      disputed: true,
      faults: [],
      reported: [ann, ben],
    });
    const three = opinion([
      { evaluator: ann, gains: crowned },
      { evaluator: ben, others: [ann] },
      { evaluator: cat, others: [ann, ben] },
    ]);
    expect(three).toMatchObject({
      settled: true,
      disputed: false,
      confirmed: [ben, cat],
      faults: [{ evaluator: ann, fault: "differs" }],
    });
    expect(three.gains?.anchor[0]?.[0]).toBeCloseTo(0.1, 6);
  });

  it("of two that differ, with nobody else to ask, is that of the better record; nobody is blamed", () => {
    const said = [{ evaluator: ann, gains: crowned }, { evaluator: ben }];
    const settled = opinion(said, { evaluators: [ann, ben], records: [trustedEvaluator(ben)] });
    expect(settled).toMatchObject({ settled: true, faults: [] });
    expect(settled.counted.map(({ evaluator }) => evaluator)).toEqual([ben]);
    const faulty = { evaluator: ann, confirmed: 99, faults: [19] };
    expect(
      opinion(said, { evaluators: [ann, ben], records: [faulty] }).counted.map(({ evaluator }) => evaluator),
    ).toEqual([ben]);
  });

  it("allows for machines that round differently", () => {
    const nearly = (): Gains => ({ anchor: [0.103], owned: [0.152, 0.1] });
    const two = [{ evaluator: ann }, { evaluator: ben, gains: nearly, others: [ann] }];
    expect(opinion(two).confirmed).toEqual([ann, ben]);
  });

  it("allows for any figures of an update that both find harmful: losses of a broken model repeat badly", () => {
    const broken = (loss: number) => (_: string, place: number) =>
      place === 0 ? { anchor: [loss], owned: [loss, loss] } : good();
    const two = opinion([
      { evaluator: ann, gains: broken(-40) },
      { evaluator: ben, gains: broken(-70), others: [ann] },
    ]);
    expect(two).toMatchObject({ settled: true, confirmed: [ann, ben], faults: [] });
    const one = opinion([{ evaluator: ann, gains: broken(-40) }, { evaluator: ben }]);
    expect(one.disputed).toBe(true);
  });

  it("counts without confirming anybody where nobody tried what the other drew for itself", () => {
    const two = opinion([{ evaluator: ann }, { evaluator: ben }]);
    expect(two).toMatchObject({ settled: true, confirmed: [] });
    expect(two.counted).toHaveLength(2);
  });

  it("does not hear one that was found wrong three times in a hundred rounds, until that is long ago", () => {
    const out = { evaluator: ann, confirmed: 50, faults: [1, 2, 19] };
    expect(opinion([{ evaluator: ann }], { records: [out] })).toMatchObject({ gains: null, reported: [] });
    const longAgo = { ...out, faults: [-90, 2, 19] };
    expect(opinion([{ evaluator: ann }], { records: [longAgo] }).reported).toEqual([ann]);
  });

  it("does not hear who is no evaluator", () => {
    expect(opinion([{ evaluator: peerId(999) }])).toMatchObject({ gains: null, reported: [] });
  });

  it("is checked on what the first drew for itself: an invented report does not survive it", () => {
    const { reports, job, rules } = opinion([{ evaluator: ann }, { evaluator: ben, others: [ann] }]);
    const [first, second] = reports;
    if (first === undefined || second === undefined) throw new Error("both are there");
    // Right on everything that two evaluators share, made up where nobody else was to look.
    const base = first.report.base;
    const invented = { ...first, report: { ...first.report, base: base.slice(0, -8) + packLosses([4]) } };
    expect(opinionOn(job, [invented, second], rules)).toMatchObject({ confirmed: [], disputed: true });
    expect(opinionOn(job, [first, second], rules).confirmed).toEqual([ann, ben]);
  });

  it.each([
    ["no update at all", "nothing", 5, true],
    ["no update at all, and a change", "nothing", 4.9, false],
    ["the reverse of an update that helps", "reverse", 5.1, true],
    ["the reverse of an update that helps, and it helps as well", "reverse", 4.9, false],
  ] as const)("fails a canary that is wrong: %s", (_, kind, loss, passes) => {
    const { reports, job, rules } = opinion([{ evaluator: ann }], {
      records: [trustedEvaluator(ann)],
      job: { canary: { peer: peerId(1), kind } },
    });
    const [one] = reports;
    if (one === undefined) throw new Error("it is there");
    const sequences = one.report.base.length / 8;
    const canary = packLosses(new Array<number>(sequences).fill(loss));
    const found = opinionOn(job, [{ ...one, report: { ...one.report, canary } }], rules);
    expect(found.faults).toEqual(passes ? [] : [{ evaluator: ann, fault: "canary" }]);
    expect(found.gains === null).toBe(!passes);
  });
});
