/**
 * What model a run trains: the shape of a Llama, and the named tensors it is made of.
 *
 * @module
 */
import { z } from "zod";

/** Shape of a Llama (RMSNorm, RoPE, grouped-query attention, SwiGLU). Pinned by the genesis. */
export const modelSpec = z
  .strictObject({
    vocabulary: z.int().min(2).max(1_000_000),
    /** Width of the residual stream. */
    width: z.int().min(2).max(65_536),
    layers: z.int().min(1).max(1_024),
    /** Query heads; `width / heads` is the head size and must be even (RoPE turns pairs). */
    heads: z.int().min(1).max(1_024),
    /** Key and value heads; divides `heads`. Equal to it: plain multi-head attention. */
    keyValueHeads: z.int().min(1).max(1_024),
    /** Inner width of the SwiGLU feed-forward block. */
    feedForward: z.int().min(1).max(1_048_576),
    /** Tokens per sequence. */
    sequenceLength: z.int().min(1).max(1_048_576),
    ropeBase: z.number().positive(),
    normEpsilon: z.number().positive(),
    /** True: the output head is the embedding, transposed. */
    tiedHead: z.boolean(),
  })
  .refine((m) => m.width % m.heads === 0 && (m.width / m.heads) % 2 === 0, {
    error: "width / heads must be a whole, even number",
  })
  .refine((m) => m.heads % m.keyValueHeads === 0, { error: "keyValueHeads must divide heads" });

export type ModelSpec = z.infer<typeof modelSpec>;

/** One named tensor of the model, in declared order; its elements lie row-major in the flat parameter vector. */
export interface TensorSpec {
  name: string;
  /** Rank 1 (norms) or 2 (everything else). */
  shape: readonly number[];
}

/** Inner optimiser: AdamW under global-norm clipping (decay acts on tensors of rank 2 and more). */
export const adamwSettings = z.strictObject({
  beta1: z.number().min(0).lt(1),
  beta2: z.number().min(0).lt(1),
  epsilon: z.number().positive(),
  weightDecay: z.number().min(0),
  /** Gradients are scaled to at most this global norm. The norm node is always in the graph. */
  clipNorm: z.number().positive(),
});
export type AdamwSettings = z.infer<typeof adamwSettings>;

/** Inner learning rate as a pure function of the global inner step (from 0). */
export const learningRateSchedule = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("constant"), peak: z.number().min(0), warmupSteps: z.int().min(0) }),
  z.strictObject({
    kind: z.literal("cosine"),
    peak: z.number().min(0),
    warmupSteps: z.int().min(0),
    /** Inner step at which the cosine reaches `floor`; it stays there. */
    endStep: z.int().min(1),
    floor: z.number().min(0),
  }),
]);
export type LearningRateSchedule = z.infer<typeof learningRateSchedule>;
