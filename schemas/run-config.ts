/**
 * The configuration of a run: what is trained, how rounds are paced, how updates are judged. The genesis carries
 * the first one; an operator-signed control may bring another, which takes effect with a later roster.
 *
 * Alpha and beta act on agreed state, so they are float32 bits; other decimals are taken at their float64 value.
 *
 * @module
 */
import { z } from "zod";
import { adamwSettings, learningRateSchedule, modelSpec } from "./model.ts";
import { f32FromHex, f32Hex, seconds } from "./primitives.ts";

/** Values kept per 4096-element chunk. */
export const keepCount = z.union([
  z.literal(16),
  z.literal(32),
  z.literal(64),
  z.literal(128),
  z.literal(256),
]);
export type KeepCount = z.infer<typeof keepCount>;

/** Bits of a finite float32 from 0 to `max`; -0 is refused. */
const f32Between = (max: number) =>
  f32Hex.refine((bits) => !bits.startsWith("8") && f32FromHex(bits) >= 0 && f32FromHex(bits) <= max, {
    error: `must be the bits of a float32 from 0 to ${max}`,
  });
const LARGEST_F32 = f32FromHex("7f7fffff");

/** A value from a round on: the entry with the highest `fromRound` that has begun counts. */
const fromRound = <T>(value: z.ZodType<T>) =>
  z
    .array(z.strictObject({ fromRound: z.int().min(1), value }))
    .min(1)
    .refine(
      (list) =>
        list[0]?.fromRound === 1 &&
        list.every((e, i) => i === 0 || e.fromRound > (list[i - 1]?.fromRound ?? 0)),
      {
        error: "entries must start with fromRound 1 and ascend",
      },
    );

export const runConfig = z.strictObject({
  /** The run is finished after this round. */
  rounds: z.int().min(1).max(99_999_998),
  model: modelSpec,
  inner: z.strictObject({
    /** H: inner steps per round. */
    steps: z.int().min(1).max(100_000),
    /** B: sequences per inner step. */
    batchSize: z.int().min(1).max(1_000_000),
    optimiser: adamwSettings,
    learningRate: learningRateSchedule,
  }),
  outer: z.strictObject({
    /** Outer learning rate: theta <- theta - alpha * sum a_p * update_p. */
    alpha: fromRound(f32Between(LARGEST_F32)),
    /** Error-feedback decay. */
    beta: f32Between(1),
    keep: fromRound(keepCount),
    /** Chunks of 4096 elements per shard of an update. */
    chunksPerShard: z.int().min(1).max(65_536),
    /** `exact`: the aggregate is the selected records themselves, so nothing is lost on the way down. */
    downlink: z.literal("exact"),
  }),
  gather: z
    .strictObject({
      /** Below this many announced peers no round begins, however long it takes. */
      minPeers: z.int().min(1),
      /** Round 1 begins at once when this many have announced. */
      expectedAtStart: z.int().min(1),
      maxPeers: z.int().min(1).max(100_000),
      /** How long a round waits for others, from the announcement that reached minPeers. */
      announceWindowSeconds: seconds,
    })
    .refine(({ minPeers, maxPeers }) => minPeers <= maxPeers, {
      error: "maxPeers must be at least minPeers",
    }),
  /** Deadlines, each from the end of the one before; see `functions/coordinator/deadlines.ts`. */
  windows: z.strictObject({
    trainSeconds: seconds,
    uploadSeconds: seconds,
    graceSeconds: seconds,
    checkSeconds: seconds,
    evaluationSeconds: seconds,
    aggregationSeconds: seconds,
  }),
  gauntlet: z.strictObject({
    /** Fewer valid (or, later, eligible) submissions: the round is published empty. */
    minSubmissions: z.int().min(1),
    /** R at most. */
    maxSelected: z.int().min(1).max(1_000),
    /** Sequences of the anchor batch, the same for all. */
    anchorSequences: z.int().min(1).max(4_096),
    /** Sequences of each owner's assigned data in the matrix test. */
    sequencesPerOwner: z.int().min(1).max(1_024),
    /** Owners judged together in one group (one job); with `matrix` up to 7 where four could not be had otherwise. */
    ownersPerGroup: z.int().min(1).max(64),
    /** An update is tried at this share of alpha (and at most 2 * alpha / R). */
    stepFactor: z.number().positive().max(1),
    assignedTest: z.enum(["matrix", "own-minus-random"]),
    /** What judging may cost, and how far one evaluator is believed. */
    judging: z.strictObject({
      /** Evaluator-seconds for the judging of one round; of more updates than they suffice for not all are judged. */
      budgetSeconds: z.number().positive(),
      /** What judging one update is taken to cost until it was measured. */
      secondsPerUpdate: z.number().positive(),
      /** A job is given to two evaluators with this probability; the jobs of one that is not trusted yet always are. */
      secondOpinions: z.number().min(0).max(1),
      /** A job holds a canary with this probability: a row whose outcome is known. */
      canaries: z.number().min(0).max(1),
      /** Two evaluators differ if a mean loss change differs by more than this share of the larger one. */
      tolerance: z.number().positive().max(1),
      /** Sequences that each evaluator draws for itself beside those of the job. */
      privateSequences: z.int().min(0).max(64),
    }),
    /** The aggregate may make the anchor loss worse by so many nats; beyond, the established half alone is tried. */
    guardNats: z.number().positive(),
    /** OpenSkill Plackett-Luce. */
    rating: z.strictObject({
      mu: z.number(),
      sigma: z.number().positive(),
      beta: z.number().positive(),
      tau: z.number().min(0),
    }),
  }),
  heldOut: z.strictObject({
    /** Windows of the held-out text that are scored after a round. */
    windows: z.int().min(1),
    everyRounds: z.int().min(1),
  }),
  /** Full parameters are published after every so many rounds. */
  stateEveryRounds: z.int().min(1),
});

export type RunConfig = z.infer<typeof runConfig>;

/** The entry of a `fromRound` list that counts in a round. */
export function valueInRound<T>(list: readonly { fromRound: number; value: T }[], round: number): T {
  const entry = list.findLast((candidate) => candidate.fromRound <= round);
  if (entry === undefined) throw new RangeError(`no entry for round ${round}: a list starts with round 1`);
  return entry.value;
}
