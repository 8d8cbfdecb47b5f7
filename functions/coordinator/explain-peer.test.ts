import { describe, expect, it } from "vitest";
import {
  type Close,
  f32ToHex,
  f64ToHex,
  type LedgerEntry,
  type Manifest,
  type Selection,
  toInstant,
  type VerdictReason,
} from "../../schemas/index.ts";
import { decide } from "./decide.ts";
import { explainPeer } from "./explain-peer.ts";
import { emptyLedger, ledgerAfter } from "./ledger.ts";
import {
  aggregateFacts,
  configWith,
  establishedEntry,
  evaluateFacts,
  factOf,
  guardOf,
  includedSubmission,
  ledgerFrom,
  peerId,
  peerIds,
  runFacts,
  T0,
} from "./testing/facts.ts";

interface Setting {
  ledger?: readonly LedgerEntry[];
  submissions?: Close["submissions"];
  clusters?: Close["clusters"];
  maxSelected?: number;
  guard?: number;
  /** Gains on the anchor batch, of all who do not help beyond doubt. */
  anchor?: Record<string, number[]>;
  /** Whose update of the round before turned out to be harmful. */
  forfeits?: string;
}

/** What is said of a peer after a round of six. */
function said(peer: string, setting: Setting = {}): Record<string, string> {
  const peers = peerIds(6);
  const config = configWith("gauntlet", { maxSelected: setting.maxSelected ?? 20 });
  const previous = { ...runFacts().previous, ledger: ledgerFrom(setting.ledger ?? []) };
  const run = runFacts({ round: 12, config, previous });
  const submissions = setting.submissions ?? peers.map(includedSubmission);
  const included = submissions.filter(({ verdict }) => verdict === "included").map(({ peer: one }) => one);
  const evaluating = evaluateFacts(included, {
    run,
    roster: peers,
    close: { submissions, clusters: setting.clusters ?? [] },
    gains: (one, place) => ({
      anchor: setting.anchor?.[one] ?? [0.1, 0.12],
      owned: peers.map((_, owner) => (owner === place ? 0.15 : 0.1)),
    }),
  });
  const decided = decide(evaluating, T0 + 60_000).record?.body as Selection;
  const forfeits =
    setting.forfeits === undefined ? [] : [{ peer: setting.forfeits, lossScore: f64ToHex(-0.02) }];
  const selection = factOf({ ...decided, forfeits });
  const aggregating = aggregateFacts(evaluating, selection, { guarded: false });
  const change = setting.guard ?? -0.1;
  const guards = [peerId(903), peerId(904)].map((one) => guardOf(selection, "selected", change, one));
  const manifest = factOf(decide({ ...aggregating, guards }, T0 + 61_000).record?.body as Manifest);
  const finished = { roster: evaluating.roster, close: evaluating.close, selection, manifest };
  const { entries } = ledgerAfter(
    { ...emptyLedger, entries: previous.ledger },
    finished,
    config.gauntlet.rating,
  );
  const lines = explainPeer(finished, entries.get(peer), peer)?.lines ?? [];
  const all: Record<string, string> = {};
  let title = "";
  for (const line of lines) {
    title = line.title || title;
    all[title] = all[title] === undefined ? line.text : `${all[title]} | ${line.text}`;
  }
  return all;
}

const refusedAs = (
  peer: string,
  verdict: Close["submissions"][number]["verdict"],
  refusal: VerdictReason,
) => [
  ...peerIds(6)
    .filter((one) => one !== peer)
    .map(includedSubmission),
  { ...includedSubmission(peer), verdict, refusal, clip: null },
];

describe("an explanation", () => {
  it("of a selected update has every figure, from the norm to the pay", () => {
    const text = said(peerId(2), { ledger: peerIds(6).map((peer) => establishedEntry(peer)) });
    expect(text.round).toBe("12, applied: 6 updates aggregated in 2 shards");
    expect(text.verdict).toMatch(/^selected: improves the loss by 0\.1100/);
    expect(text.norm).toBe("1, usual is 1: not scaled");
    expect(text.judging).toMatch(/^in job 0000 with 5 others, by 0387aaaa$/);
    expect(text.LossScore).toMatch(/^\+0\.11 ± 0\.00\d+: by so much the loss falls on 4 sequences/);
    expect(text["own data"]).toMatch(/together \+0\.05: better on its own data/);
    expect(text.PeerScore).toMatch(/= assignment 0\.55 × rating [\d.]+ × presence [\d.]+ × penalty 1$/);
    expect(text.pay).toMatch(/% of the round, paid$/);
    expect(text.standing).toMatch(/^established/);
    expect(text["to change"]).toMatch(/^presence costs most \(× 0\.125\): deliver in every round/);
  });

  it("of a newcomer says that its pay is held, and until when", () => {
    const text = said(peerId(1));
    expect(text.pay).toMatch(/held until the key is established$/);
    expect(text.standing).toBe(
      "on probation (helped in 1 of 1 judged round, assignment score 0.1; established from 10 rounds and 0.5 on)",
    );
  });

  it("of a harmful update says by how much, and what would have passed", () => {
    const text = said(peerId(3), { anchor: { [peerId(3)]: [-0.05] } });
    expect(text.verdict).toMatch(/^makes the model worse: LossScore -0\.0500/);
    expect(text.pay).toBe("nothing");
    expect(text["to change"]).toMatch(/^an update that lowers the loss on fresh text/);
  });

  it("of one that may be noise says how much would have been beyond doubt", () => {
    const text = said(peerId(3), { anchor: { [peerId(3)]: [0.2, -0.1] } });
    expect(text.verdict).toMatch(/^helps too little, or by luck: LossScore 0\.0500 ± 0\.0866/);
    expect(text["to change"]).toMatch(/^a LossScore above 0\.1732: a key on probation .* \| on probation/);
  });

  it("of a forfeit says for what, and that the record begins anew", () => {
    const ledger = peerIds(6).map((peer) => establishedEntry(peer, { held: f64ToHex(2) }));
    const text = said(peerId(2), { ledger, forfeits: peerId(2) });
    expect(text.forfeit).toMatch(
      /^its update of round 11 was used without a judgement; .* \(LossScore -0\.02\)/,
    );
    expect(text.standing).toMatch(/^on probation \(helped in 1 of/);
    expect(text.account).toMatch(/ 2 forfeited$/);
    expect(said(peerId(3), { ledger, forfeits: peerId(2) }).forfeit).toBeUndefined();
  });

  it("of a forfeit of a key that has left says so all the same", () => {
    const text = said(peerId(20), { ledger: [establishedEntry(peerId(20))], forfeits: peerId(20) });
    expect(text.verdict).toBe("it had no part in this round");
    expect(text.forfeit).toContain("its update of round 11 was used without a judgement");
    expect(text.account).toContain("forfeited");
  });

  it("of one of a cluster says whom it is too much like, and what that does to its pay", () => {
    const peers = [peerId(1), peerId(2)];
    const setting = { clusters: [{ peers, overlap: 0.9, threshold: 0.6, identical: false }] };
    const lines = peers.map((peer) => said(peer, setting));
    const [stands, back] = lines[0]?.verdict?.startsWith("selected") ? lines : lines.toReversed();
    expect(stands?.pay).toContain(
      "as one of those that are too much alike: together they earn what is usual at most",
    );
    expect(back?.pay).toContain("% of the round, as one of those that are too much alike");
    expect(back?.verdict).toContain("90 %");
    expect(back?.["to change"]).toContain("that one stood for all, and their one share was split by it");
  });

  it("of a late commit says by how many seconds", () => {
    const reason: VerdictReason = {
      code: "late-commit",
      committedAt: toInstant(T0 + 31_500),
      commitBy: toInstant(T0 + 30_000),
    };
    const text = said(peerId(4), { submissions: refusedAs(peerId(4), "late", reason) });
    expect(text["to change"]).toBe("a commit 1.5 s earlier");
    expect(text.LossScore).toBeUndefined();
  });

  it("of one without a slot names the score that would have had one", () => {
    const ledger = peerIds(6).map((peer, i) =>
      establishedEntry(peer, { rating: { mu: f64ToHex(40 - 5 * i), sigma: f64ToHex(2) } }),
    );
    const text = said(peerId(6), { ledger, maxSelected: 3 });
    expect(text.verdict).toMatch(/^passed, but rank 6 by PeerScore/);
    expect(text["to change"]).toMatch(
      /^a PeerScore above [\d.]+: that had the last of the 3 slots \| presence/,
    );
    expect(text.pay).toMatch(/paid$/);
  });

  it("of a scaled update says why: the whole norm, or one tensor", () => {
    const clipped = (clip: number) =>
      peerIds(6).map((peer) =>
        peer === peerId(5)
          ? { ...includedSubmission(peer), norm: f64ToHex(2), clip: f32ToHex(clip) }
          : includedSubmission(peer),
      );
    expect(said(peerId(5), { submissions: clipped(0.5) }).norm).toBe(
      "2, usual is 1: scaled by 0.5 before it was judged",
    );
    expect(said(peerId(5), { submissions: clipped(0.25) }).norm).toMatch(
      /because one tensor carries far more/,
    );
  });

  it("of a sum that the guard refused blames nobody", () => {
    const text = said(peerId(1), { guard: 2 });
    expect(text.round).toMatch(/^12, empty: the guard let no sum pass/);
    expect(text.verdict).toMatch(/worse by 2\.0000 nats$/);
    expect(text.pay).toBe("nothing");
    expect(text["to change"]).toMatch(/blames nobody/);
  });

  it("of a stranger is none", () => {
    expect(said(peerId(77))).toEqual({});
  });
});
