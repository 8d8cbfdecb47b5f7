/**
 * What an evaluator computes with: the text, kept in a folder, and the forward pass of onnxruntime.
 *
 * @module
 */
import { createLossModel } from "../model/index.ts";
import { loadTokens } from "../replica/tokens.ts";
import type { EvaluatorOptions } from "./evaluator.ts";

/** Sequences in one forward pass: larger blocks are no faster on a CPU. */
const BATCH_SIZE = 8;

/** `folder`: where downloaded data is kept. */
export function openModel(folder: string): EvaluatorOptions["open"] {
  return async (view) => {
    const [tokens, model] = await Promise.all([
      loadTokens(view, folder),
      createLossModel(view.genesis.body.config.model, { batchSize: BATCH_SIZE }),
    ]);
    return { tokens, model };
  };
}
