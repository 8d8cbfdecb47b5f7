import { describe, expect, it } from "vitest";
import { explain, type VerdictReason, verdictReason } from "./verdict.ts";

const hash = (digit: string) => digit.repeat(64);
const at = "2026-01-31T12:00:00.000Z";

/** One of each code, and what a person reads. The type makes the table complete. */
const sentences: {
  [Code in VerdictReason["code"]]: [Omit<Extract<VerdictReason, { code: Code }>, "code">, string];
} = {
  selected: [
    { weight: 0.25, clip: 1, lossScore: 0.0123 },
    "selected: improves the loss by 0.0123, weight 0.2500, clip 1.0000",
  ],
  "no-commit": [{ commitBy: at }, `no commit before ${at}`],
  "late-commit": [{ committedAt: "12:01", commitBy: "12:00" }, "committed at 12:01, after 12:00"],
  "incomplete-upload": [
    { missing: [1, 2], missingCount: 2, uploadBy: "12:00" },
    "2 shard(s) not there by 12:00",
  ],
  "late-upload": [
    { shard: 3, uploadedAt: "12:01", uploadBy: "12:00" },
    "shard 3 arrived at 12:01, after 12:00",
  ],
  "round-closed-early": [
    { missingCount: 2 },
    "the round ended before its deadline; 2 shard(s) of this one were still missing",
  ],
  "not-checked": [{ missing: [] }, "complete, but not checked in time: the coordinator's fault, no penalty"],
  "not-in-roster": [{}, "not in this round's roster"],
  "wrong-manifest": [
    { expected: hash("a"), committed: hash("b") },
    "builds on manifest bbbbbbbb…, this round on aaaaaaaa…",
  ],
  "wrong-state": [
    { expected: hash("a"), committed: hash("b") },
    "trained from state bbbbbbbb…, the agreed one is aaaaaaaa…",
  ],
  "wrong-state-proof": [{}, "the proof over the drawn parameter slices does not match the agreed state"],
  "size-mismatch": [{ shard: 1, expectedBytes: 84, actualBytes: 85 }, "shard 1 has 85 bytes instead of 84"],
  "hash-mismatch": [
    { shard: 1, committed: hash("a"), uploaded: hash("b") },
    "shard 1 is not the committed one (bbbbbbbb…, not aaaaaaaa…)",
  ],
  "malformed-payload": [
    { shard: 1, error: "invalid-record", message: "indices must ascend" },
    "shard 1 does not parse (invalid-record): indices must ascend",
  ],
  "non-finite": [{ shard: 1, message: "element 7" }, "shard 1 holds a value that is not finite: element 7"],
  "norm-out-of-range": [
    { norm: 20, median: 1, lowest: 0.05, highest: 10 },
    "norm 20.0000 is outside 0.0500 to 10.0000 (median 1.0000)",
  ],
  "loss-score-too-low": [
    { lossScore: -0.0001, standardError: 0.02, needed: 0.04 },
    "makes the model worse: LossScore -1.00e-4 ± 0.0200, must be above 0.0400",
  ],
  copy: [
    { of: [hash("a")], others: 1, overlap: 1, threshold: 0.65, identical: true },
    "same update as aaaaaaaa…: one slot and one share between them",
  ],
  "no-free-slot": [
    { standing: "established", rank: 21, slots: 20, peerScore: 1.5 },
    "passed, but rank 21 by PeerScore (1.5000) and 20 slots; paid all the same",
  ],
  "not-judged": [{ cause: "no-report" }, "not judged: no evaluator reported on it in time"],
  "selected-unjudged": [
    { weight: 0.1, clip: 1 },
    "selected without a judgement, for its record: weight 0.1000, clip 1.0000",
  ],
  "guard-refused": [
    { change: 1.5 },
    "the guard refused the sum it was in: it makes the loss worse by 1.5000 nats",
  ],
  "too-few-submissions": [{ valid: 1, needed: 2 }, "round published empty: 1 valid submission(s), 2 needed"],
  "too-few-eligible": [
    { eligible: 1, needed: 2 },
    "round published empty: 1 update(s) improve the loss, 2 needed",
  ],
  "round-void": [
    { missingShards: 2 },
    "round void: 2 shard(s) were not aggregated in time, parameters unchanged",
  ],
};

describe("a verdict explains itself", () => {
  it.each(Object.entries(sentences))("%s", (code, [figures, sentence]) => {
    const reason = verdictReason.parse({ code, ...figures });
    expect(explain(reason)).toBe(sentence);
  });

  it("knows every code of the contract", () => {
    const codes = verdictReason.options.map(({ shape }) => [...shape.code.values][0]);
    expect(Object.keys(sentences).sort()).toEqual(codes.sort());
  });

  it("says how much two updates share when they are not the same", () => {
    const reason: VerdictReason = {
      code: "copy",
      of: [hash("a")],
      others: 1,
      overlap: 0.8,
      threshold: 0.6,
      identical: false,
    };
    expect(explain(reason)).toBe("80 % of its indices are those of aaaaaaaa… (limit 60 %)");
    expect(explain({ ...reason, others: 4_000, identical: true })).toBe(
      "same update as aaaaaaaa… and 3999 more: one slot and one share between them",
    );
  });

  it("refuses a code it does not know, and figures that do not belong to a code", () => {
    expect(verdictReason.safeParse({ code: "disliked" }).success).toBe(false);
    expect(verdictReason.safeParse({ code: "not-judged", peer: hash("a") }).success).toBe(false);
    expect(verdictReason.safeParse({ code: "no-commit" }).success).toBe(false);
  });
});
