import { describe, expect, it } from "vitest";
import {
  type Close,
  canonicalBytes,
  f32ToHex,
  f64FromHex,
  f64ToHex,
  type LedgerEntry,
  ledgerEntry as ledgerEntrySchema,
  ledgerPage,
  type Manifest,
  PAGE_SIZE,
  receiptsPage,
  type Selection,
  type VerdictReason,
} from "../../schemas/index.ts";
import { decide } from "./decide.ts";
import { initialSkill, ordinal } from "./gauntlet/rating.ts";
import { emptyLedger, ledgerAfter, ledgerPages } from "./ledger.ts";
import { type FinishedRound, receiptsOf, receiptsPageOf, receiptsPages } from "./receipts.ts";
import {
  aggregateFacts,
  establishedEntry,
  evaluateFacts,
  factOf,
  includedSubmission,
  ledgerEntry,
  ledgerFrom,
  peerId,
  peerIds,
  runFacts,
  T0,
  testConfig,
} from "./testing/facts.ts";

const settings = testConfig.gauntlet.rating;

type Settled = Close["submissions"][number];
const refusedAs = (peer: string, verdict: Settled["verdict"], refusal: VerdictReason): Settled => ({
  ...includedSubmission(peer),
  verdict,
  refusal,
  clip: null,
});

interface Setting {
  roster: readonly string[];
  /** Besides those that are included. */
  others?: readonly Settled[];
  included?: readonly string[];
  clusters?: Close["clusters"];
  round?: number;
  ledger?: readonly LedgerEntry[];
  aggregated?: readonly number[];
  aborted?: boolean;
  loses?: readonly string[];
}

/** A finished round as the coordinator decides it. */
function finished(setting: Setting): FinishedRound {
  const { roster, included = roster, others = [], clusters = [], round = 1, ledger = [] } = setting;
  const run = runFacts({ round, previous: { ...runFacts().previous, ledger: ledgerFrom(ledger) } });
  const evaluating = evaluateFacts(included, {
    roster,
    run,
    gains: (peer) => ({
      anchor: [setting.loses?.includes(peer) ? -0.1 : 0.1],
      owned: included.map(() => 0.1),
    }),
    close: {
      clusters,
      submissions: [...included.map(includedSubmission), ...others].sort((a, b) =>
        a.peer < b.peer ? -1 : 1,
      ),
    },
  });
  const { aborted = false } = setting;
  const selection = factOf(decide({ ...evaluating, aborted }, T0 + 60_000).record?.body as Selection);
  const manifest = factOf(
    decide(
      aggregateFacts({ ...evaluating, aborted }, selection, { aggregated: setting.aggregated ?? [0, 1] }),
      T0 + 90_000,
    ).record?.body as Manifest,
  );
  return { roster: evaluating.roster, close: evaluating.close, selection, manifest };
}

const ledgerWith = (entries: readonly LedgerEntry[]) => ({ ...emptyLedger, entries: ledgerFrom(entries) });

function entriesAfter(setting: Setting) {
  const { entries: after } = ledgerAfter(ledgerWith(setting.ledger ?? []), finished(setting), settings);
  const entries = [...after.values()];
  for (const entry of entries) expect(ledgerEntrySchema.parse(entry)).toEqual(entry);
  return (n: number) => {
    const found = entries.find(({ peer }) => peer === peerId(n));
    if (found === undefined) throw new Error(`no entry of peer ${n}`);
    return found;
  };
}

const early: VerdictReason = { code: "round-closed-early", missingCount: 1 };
const incomplete: VerdictReason = { code: "incomplete-upload", missing: [1], missingCount: 1, uploadBy: "x" };
const late: VerdictReason = { code: "late-commit", committedAt: "y", commitBy: "x" };
const wrongProof: VerdictReason = { code: "wrong-state-proof" };

describe("receipts", () => {
  it("are one for every peer of the roster, with a verdict and a reason", () => {
    const peers = peerIds(8);
    const [a, b, c, d, e, f, g, h] = peers as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    const receipts = receiptsOf(
      finished({
        roster: peers,
        included: [a, b, c],
        loses: [c],
        others: [
          refusedAs(d, "refused", wrongProof),
          refusedAs(e, "incomplete", early),
          refusedAs(f, "late", late),
          refusedAs(g, "not-checked", { code: "not-checked", missing: [] }),
        ],
      }),
    );
    expect(receipts.map(({ peer }) => peer)).toEqual(peers);
    expect(receipts.map(({ verdict, reason }) => [verdict, reason.code])).toEqual([
      ["selected", "selected"],
      ["selected", "selected"],
      ["not-selected", "loss-score-too-low"],
      ["refused", "wrong-state-proof"],
      ["incomplete", "round-closed-early"],
      ["late", "late-commit"],
      ["not-checked", "not-checked"],
      ["absent", "no-commit"],
    ]);
    expect(receipts.map(({ clip }) => clip !== null)).toEqual([true, true, ...new Array(6).fill(false)]);
    expect(h).toBe(peers[7]);
  });

  it("tell a selected peer the clip it settles its error feedback with", () => {
    const [receipt] = receiptsOf(finished({ roster: peerIds(2) }));
    expect(receipt).toMatchObject({ verdict: "selected", clip: f32ToHex(1), reason: { weight: 0.5 } });
  });

  it("of a void round use nobody and pay nobody", () => {
    const receipts = receiptsOf(finished({ roster: peerIds(3), aggregated: [0] }));
    for (const receipt of receipts) {
      expect(receipt).toMatchObject({
        verdict: "not-selected",
        reason: { code: "round-void", missingShards: 1 },
        clip: null,
      });
    }
  });

  it("of a void round pay no copies either", () => {
    const [a, b, c] = peerIds(3) as [string, string, string];
    const clusters = [{ peers: [a, b], overlap: 1, threshold: 0.65, identical: true }];
    const receipts = receiptsOf(finished({ roster: [a, b, c], clusters, aggregated: [] }));
    expect(receipts.map(({ share }) => f64FromHex(share))).toEqual([0, 0, 0]);
  });

  it("of an aborted round say that it was void, to everybody", () => {
    for (const receipt of receiptsOf(finished({ roster: peerIds(3), loses: [peerId(2)], aborted: true }))) {
      expect(receipt).toMatchObject({ verdict: "not-selected", reason: { code: "round-void" }, clip: null });
    }
  });

  it("include committed strangers, behind the roster", () => {
    const stranger = peerId(0);
    const receipts = receiptsOf(
      finished({
        roster: peerIds(2),
        others: [refusedAs(stranger, "refused", { code: "not-in-roster" })],
      }),
    );
    expect(receipts.map(({ peer }) => peer)).toEqual([...peerIds(2), stranger]);
  });

  it("are cut into pages, on which each peer finds its own", () => {
    const peers = peerIds(PAGE_SIZE + 3);
    const round = finished({ roster: peers, included: peers.slice(0, 4) });
    const pages = receiptsPages(round);
    expect(pages.map(({ receipts }) => receipts.length)).toEqual([PAGE_SIZE, 3]);
    for (const page of pages) expect(receiptsPage.parse(page)).toEqual(page);
    for (const place of [0, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 2]) {
      const peer = peers[place] ?? "";
      const page = pages[receiptsPageOf(round.roster.body, peer)];
      expect(page?.receipts.some((receipt) => receipt.peer === peer)).toBe(true);
    }
    expect(receiptsPageOf(round.roster.body, peerId(0))).toBe(-1);
  });
});

describe("the ledger", () => {
  const roster = peerIds(3);
  const [, , third] = roster as [string, string, string];
  const withThird = (verdict: Settled["verdict"], refusal: VerdictReason) =>
    entriesAfter({ roster, included: peerIds(2), others: [refusedAs(third, verdict, refusal)] })(3);

  it.each<[string, Settled["verdict"], VerdictReason, boolean, string | null]>([
    ["a refused update", "refused", wrongProof, false, "fault"],
    ["an incomplete upload", "incomplete", incomplete, false, "fault"],
    ["a late commit", "late", late, false, "fault"],
    ["an upload cut off by an early end", "incomplete", early, true, null],
    ["an upload that nobody checked", "not-checked", { code: "not-checked", missing: [] }, true, "delivered"],
  ])("after %s", (_, verdict, refusal, awaited, conduct) => {
    const entry = withThird(verdict, refusal);
    expect([entry.awaited, entry.recent]).toEqual([awaited, conduct === null ? [] : [conduct]]);
  });

  it("does not await one that was absent, and awaits it again once it has delivered", () => {
    const absent = entriesAfter({ roster, included: peerIds(2) })(3);
    expect([absent.awaited, absent.recent, absent.deliveredRounds]).toEqual([false, [], []]);
    const back = entriesAfter({ roster, round: 2, ledger: [absent] })(3);
    expect([back.awaited, back.recent, back.deliveredRounds]).toEqual([true, ["delivered"], [2]]);
  });

  it("keeps the entry of a peer that was not in the round, to the bit", () => {
    const away = ledgerEntry(peerId(9), { lastRound: 1, recent: ["fault"], held: f64ToHex(3) });
    expect(entriesAfter({ roster, round: 30, ledger: [away] })(9)).toEqual(away);
  });

  it("remembers eight rounds that a peer was in: absence sheds no penalty", () => {
    const before = ledgerEntry(peerId(1), { recent: ["fault", ...new Array(7).fill("delivered")] });
    const after = entriesAfter({ roster, round: 50, ledger: [before] })(1);
    expect(after.recent).toEqual(new Array(8).fill("delivered"));
    const rested = ledgerEntry(peerId(1), { recent: ["fault"], lastRound: 2 });
    expect(entriesAfter({ roster, round: 50, ledger: [rested] })(1).recent).toEqual(["fault", "delivered"]);
  });

  it("remembers the rounds delivered among the last eight of the run", () => {
    const before = ledgerEntry(peerId(1), { deliveredRounds: [1, 2, 3, 8] });
    expect(entriesAfter({ roster, round: 10, ledger: [before] })(1).deliveredRounds).toEqual([3, 8, 10]);
  });

  it("releases a tenth of what is held in a round, and nothing to who is away", () => {
    const before = establishedEntry(peerId(1), { held: f64ToHex(2), lastRound: 8 });
    const after = entriesAfter({ roster: peerIds(2), round: 9, ledger: [before] })(1);
    expect(f64FromHex(after.held)).toBe(1.8);
    const idle = entriesAfter({ roster: peerIds(2), included: [peerId(2)], round: 9, ledger: [before] })(1);
    expect(f64FromHex(idle.held)).toBe(2);
    const away = establishedEntry(peerId(9), { held: f64ToHex(2) });
    expect(entriesAfter({ roster: peerIds(2), round: 9, ledger: [away] })(9)).toEqual(away);
  });

  it("of who forfeits begins anew: pay is gone, and so is the standing", () => {
    const before = establishedEntry(peerId(1), { held: f64ToHex(2), paid: f64ToHex(1), lastRound: 8 });
    const round = finished({ roster: peerIds(2), round: 9, ledger: [before] });
    const lossScore = f64ToHex(-0.1);
    const selection = factOf({ ...round.selection.body, forfeits: [{ peer: peerId(1), lossScore }] });
    const { entries } = ledgerAfter(ledgerWith([before]), { ...round, selection }, settings);
    const after = entries.get(peerId(1));
    expect([after?.standing, after?.helpedRounds]).toEqual(["probation", 1]);
    expect(f64FromHex(after?.forfeited ?? "")).toBe(2);
    const share = round.selection.body.selected.find(({ peer }) => peer === peerId(1))?.share;
    expect([after?.paid, after?.held]).toEqual([f64ToHex(1), share]);
  });

  it("adds up what was earned, and counts rounds selected, refused and judged", () => {
    const before = ledgerEntry(peerId(1), {
      held: f64ToHex(2),
      selectedRounds: 4,
      refusedRounds: 1,
      judgedRounds: 5,
      firstRound: 3,
    });
    const after = entriesAfter({ roster: peerIds(2), round: 9, ledger: [before] })(1);
    expect(f64FromHex(after.held)).toBeGreaterThan(2);
    expect([after.selectedRounds, after.refusedRounds, after.judgedRounds]).toEqual([5, 1, 6]);
    expect([after.firstRound, after.lastRound]).toEqual([3, 9]);
    const refused = withThird("refused", wrongProof);
    expect([refused.refusedRounds, refused.judgedRounds, refused.lossScore]).toEqual([1, 0, null]);
  });

  it("lets the doubt about one that was not judged grow", () => {
    const absent = entriesAfter({ roster, included: peerIds(2) })(3);
    expect(f64FromHex(absent.rating.mu)).toBe(settings.mu);
    expect(f64FromHex(absent.rating.sigma)).toBeGreaterThan(settings.sigma);
  });

  it.each<[string, Settled["verdict"], VerdictReason]>([
    ["refused", "refused", wrongProof],
    ["committed and not delivered", "incomplete", incomplete],
  ])("ranks one that was %s last: its rating falls", (_, verdict, refusal) => {
    const { mu, sigma } = withThird(verdict, refusal).rating;
    const rested = initialSkill(settings);
    expect(f64FromHex(mu)).toBeLessThan(settings.mu);
    expect(ordinal({ mu: f64FromHex(mu), sigma: f64FromHex(sigma) })).toBeLessThan(ordinal(rested));
  });

  // It once was so: a commit of a stranger makes it a ledger entry, with `lastRound` "in the roster of" and a fault.
  it("does not hold keys that never were in a roster", () => {
    const setting: Setting = {
      roster: peerIds(2),
      others: [refusedAs(peerId(7), "refused", { code: "not-in-roster" })],
    };
    const { entries } = ledgerAfter(emptyLedger, finished(setting), settings);
    expect([...entries.keys()]).toEqual(peerIds(2));
  });

  it("is a function: the same round, the same bytes, whatever the order of the entries before", () => {
    const ledger = peerIds(6).map((peer, i) => ledgerEntry(peer, { paid: f64ToHex(i / 7) }));
    const setting: Setting = { roster, round: 5, ledger };
    const round = finished(setting);
    const bytes = (entries: readonly LedgerEntry[]) =>
      ledgerPages(ledgerAfter(ledgerWith(entries), structuredClone(round), settings), round).map((page) =>
        Buffer.from(canonicalBytes(page)).toString(),
      );
    expect(bytes([...ledger].reverse())).toEqual(bytes(ledger));
  });

  it("is cut into pages, ascending by id", () => {
    const ledger = peerIds(PAGE_SIZE + 1).map((peer) => ledgerEntry(peer, { lastRound: 1 }));
    const round = finished({ roster: peerIds(2), round: 2, ledger });
    const pages = ledgerPages(ledgerAfter(ledgerWith(ledger), round, settings), round);
    expect(pages.map(({ entries }) => entries.length)).toEqual([PAGE_SIZE, 1]);
    for (const page of pages) expect(ledgerPage.parse(page)).toEqual(page);
    expect(pages.flatMap(({ entries }) => entries.map(({ peer }) => peer))).toEqual(peerIds(PAGE_SIZE + 1));
    expect(ledgerPages(emptyLedger, round)).toHaveLength(1);
  });
});
