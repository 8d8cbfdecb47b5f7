/**
 * Masked cross-entropy of next-token predictions.
 *
 * @module
 */
import type { GraphBuilder, Value } from "../graph.ts";
import * as emit from "./emit.ts";

/** The loss of a batch, as a mean for training and by sequence for evaluation. */
export interface MaskedLoss {
  /** Mean over the unmasked predictions, shape []; the only output with a gradient. */
  mean: Value;
  /** Mean over the unmasked predictions of each sequence, shape [B]; 0 where all are masked. */
  bySequence: Value;
}

/**
 * loss[n] = -log softmax(logits[n])[targets[n]] for logits [B*T, V] and int32 targets [B*T]; the mean weighs
 * it by mask [B, T], whose entries are 0 or 1.
 *
 * dlogits[n] = (softmax(logits[n]) - onehot(targets[n])) mask[n] / sum(mask).
 */
export function crossEntropy(graph: GraphBuilder, logits: Value, targets: Value, mask: Value): MaskedLoss {
  const [batch = 1, length = 1] = mask.shape;
  const column = [batch * length, 1];
  const logProbabilities = emit.normalise(graph, "LogSoftmax", logits);
  const target = emit.reshape(graph, targets, column);
  const pick = (x: Value) => graph.node("GatherElements", [x, target], column, { attributes: { axis: 1 } });
  const losses = emit.each(graph, "Neg", emit.reshape(graph, pick(logProbabilities), mask.shape));
  const unmasked = emit.multiply(graph, losses, mask);

  const sumOverTime = (x: Value) => emit.reduce(graph, "ReduceSum", x, 1);
  const atLeastOne = (x: Value) => emit.maximum(graph, x, graph.scalar(1));
  const bySequence = emit.divide(graph, sumOverTime(unmasked), atLeastOne(sumOverTime(mask)));
  const predictions = atLeastOne(emit.total(graph, "ReduceSum", mask));
  const mean = emit.divide(graph, emit.total(graph, "ReduceSum", unmasked), predictions);

  graph.differentiable(mean, [logits], (dMean) => {
    const probabilities = emit.each(graph, "Exp", logProbabilities);
    const lessOne = emit.subtract(graph, pick(probabilities), graph.scalar(1));
    const difference = graph.node("ScatterElements", [probabilities, target, lessOne], logits.shape, {
      attributes: { axis: 1 },
    });
    const weight = emit.divide(graph, emit.reshape(graph, mask, column), predictions);
    return [emit.multiply(graph, difference, emit.multiply(graph, weight, dMean))];
  });
  return { mean, bySequence: emit.reshape(graph, bySequence, [batch]) };
}
