/**
 * Why something was refused, left out or used: a closed set of codes, each with the figures behind it.
 *
 * A receipt, the page and the terminal all print these; {@link explain} turns one into a sentence.
 *
 * @module
 */
import { z } from "zod";
import { unreachable } from "./errors.ts";
import { publicKeyHex, sha256Hex, shardNumber } from "./primitives.ts";

/** Of a cluster of copies a reason names so many. */
export const COPIES_NAMED = 8;

const code = <Code extends string, Shape extends z.core.$ZodLooseShape>(name: Code, shape: Shape) =>
  z.strictObject({ code: z.literal(name), ...shape });

export const verdictReason = z.discriminatedUnion("code", [
  // Used
  code("selected", { weight: z.number(), clip: z.number(), lossScore: z.number() }),
  // Not delivered
  code("no-commit", { commitBy: z.string() }),
  code("late-commit", { committedAt: z.string(), commitBy: z.string() }),
  code("incomplete-upload", {
    missing: z.array(shardNumber).max(16),
    missingCount: z.int(),
    uploadBy: z.string(),
  }),
  code("late-upload", { shard: shardNumber, uploadedAt: z.string(), uploadBy: z.string() }),
  code("round-closed-early", { missingCount: z.int() }),
  code("not-checked", { missing: z.array(shardNumber).max(16) }),
  // Refused by a fast check
  code("not-in-roster", {}),
  code("wrong-manifest", { expected: sha256Hex, committed: sha256Hex }),
  code("wrong-state", { expected: sha256Hex, committed: sha256Hex }),
  code("wrong-state-proof", {}),
  code("size-mismatch", { shard: shardNumber, expectedBytes: z.int(), actualBytes: z.int() }),
  code("hash-mismatch", { shard: shardNumber, committed: sha256Hex, uploaded: sha256Hex }),
  code("malformed-payload", { shard: shardNumber, error: z.string().max(64), message: z.string().max(500) }),
  code("non-finite", { shard: shardNumber, message: z.string().max(500) }),
  code("norm-out-of-range", {
    norm: z.number(),
    median: z.number(),
    lowest: z.number(),
    highest: z.number(),
  }),
  // Judged
  code("loss-score-too-low", { lossScore: z.number(), standardError: z.number(), needed: z.number() }),
  code("copy", {
    /** The first few of the others; the close names all. Were all named here, thousands of copies would fill gigabytes. */
    of: z.array(publicKeyHex).max(COPIES_NAMED),
    /** How many others there are. */
    others: z.int().min(1),
    overlap: z.number(),
    threshold: z.number(),
    identical: z.boolean(),
  }),
  /** Established peers rank by PeerScore; those on probation by lot, for slots of their own. */
  code("no-free-slot", {
    standing: z.enum(["established", "probation"]),
    rank: z.int(),
    slots: z.int(),
    peerScore: z.number(),
  }),
  code("not-judged", { cause: z.enum(["budget", "no-report", "disagreement"]) }),
  /** Used all the same: established, and judged to help when it was last there. */
  code("selected-unjudged", { weight: z.number(), clip: z.number() }),
  code("guard-refused", { change: z.number().nullable() }),
  code("too-few-submissions", { valid: z.int(), needed: z.int() }),
  code("too-few-eligible", { eligible: z.int(), needed: z.int() }),
  code("round-void", { missingShards: z.int() }),
]);

export type VerdictReason = z.infer<typeof verdictReason>;

/** `included`: goes on to be judged. `incomplete` and `not-checked` are no proof of bad faith; `refused` is. */
export const submissionVerdict = z.enum(["included", "refused", "incomplete", "late", "not-checked"]);
export type SubmissionVerdict = z.infer<typeof submissionVerdict>;

/** What became of a peer in a round, in the end. */
export const finalVerdict = z.enum([
  "selected",
  "not-selected",
  "refused",
  "incomplete",
  "late",
  "not-checked",
  "absent",
]);
export type FinalVerdict = z.infer<typeof finalVerdict>;

const short = (hash: string) => `${hash.slice(0, 8)}…`;
const figure = (value: number) =>
  Math.abs(value) >= 0.001 || value === 0 ? value.toFixed(4) : value.toExponential(2);

/** One sentence in plain words, with the figures. */
export function explain(reason: VerdictReason): string {
  switch (reason.code) {
    case "selected":
      return `selected: improves the loss by ${figure(reason.lossScore)}, weight ${figure(reason.weight)}, clip ${figure(reason.clip)}`;
    case "no-commit":
      return `no commit before ${reason.commitBy}`;
    case "late-commit":
      return `committed at ${reason.committedAt}, after ${reason.commitBy}`;
    case "incomplete-upload":
      return `${reason.missingCount} shard(s) not there by ${reason.uploadBy}`;
    case "late-upload":
      return `shard ${reason.shard} arrived at ${reason.uploadedAt}, after ${reason.uploadBy}`;
    case "round-closed-early":
      return `the round ended before its deadline; ${reason.missingCount} shard(s) of this one were still missing`;
    case "not-checked":
      return "complete, but not checked in time: the coordinator's fault, no penalty";
    case "not-in-roster":
      return "not in this round's roster";
    case "wrong-manifest":
      return `builds on manifest ${short(reason.committed)}, this round on ${short(reason.expected)}`;
    case "wrong-state":
      return `trained from state ${short(reason.committed)}, the agreed one is ${short(reason.expected)}`;
    case "wrong-state-proof":
      return "the proof over the drawn parameter slices does not match the agreed state";
    case "size-mismatch":
      return `shard ${reason.shard} has ${reason.actualBytes} bytes instead of ${reason.expectedBytes}`;
    case "hash-mismatch":
      return `shard ${reason.shard} is not the committed one (${short(reason.uploaded)}, not ${short(reason.committed)})`;
    case "malformed-payload":
      return `shard ${reason.shard} does not parse (${reason.error}): ${reason.message}`;
    case "non-finite":
      return `shard ${reason.shard} holds a value that is not finite: ${reason.message}`;
    case "norm-out-of-range":
      return `norm ${figure(reason.norm)} is outside ${figure(reason.lowest)} to ${figure(reason.highest)} (median ${figure(reason.median)})`;
    case "loss-score-too-low": {
      const score = `${figure(reason.lossScore)} ± ${figure(reason.standardError)}`;
      const what =
        reason.lossScore > 0
          ? "helps too little, or by luck"
          : reason.lossScore < 0
            ? "makes the model worse"
            : "changes nothing";
      return `${what}: LossScore ${score}, must be above ${reason.needed === 0 ? 0 : figure(reason.needed)}`;
    }
    case "copy": {
      const more = reason.others - reason.of.length;
      const others = `${reason.of.map(short).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
      return reason.identical
        ? `same update as ${others}: one slot and one share between them`
        : `${(100 * reason.overlap).toFixed(0)} % of its indices are those of ${others} (limit ${(100 * reason.threshold).toFixed(0)} %)`;
    }
    case "no-free-slot":
      return reason.standing === "established"
        ? `passed, but rank ${reason.rank} by PeerScore (${figure(reason.peerScore)}) and ${reason.slots} slots; paid all the same`
        : `passed, but drawn ${reason.rank} of the keys on probation, for ${reason.slots} slots; its share is held all the same`;
    case "not-judged":
      return {
        budget: "not judged: more updates than the judging budget suffices for; lots were drawn",
        "no-report": "not judged: no evaluator reported on it in time",
        disagreement: "not judged: evaluators differed and no third one settled it in time",
      }[reason.cause];
    case "selected-unjudged":
      return `selected without a judgement, for its record: weight ${figure(reason.weight)}, clip ${figure(reason.clip)}`;
    case "guard-refused":
      return reason.change === null
        ? "the guard refused the sum it was in: the loss after it is not a number"
        : `the guard refused the sum it was in: it makes the loss worse by ${figure(reason.change)} nats`;
    case "too-few-submissions":
      return `round published empty: ${reason.valid} valid submission(s), ${reason.needed} needed`;
    case "too-few-eligible":
      return `round published empty: ${reason.eligible} update(s) improve the loss, ${reason.needed} needed`;
    case "round-void":
      return reason.missingShards === 0
        ? "round void: aborted by the operator, or no evaluator tried the sum in time; parameters unchanged"
        : `round void: ${reason.missingShards} shard(s) were not aggregated in time, parameters unchanged`;
    default:
      return unreachable(reason);
  }
}
