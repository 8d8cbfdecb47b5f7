/**
 * Trains honestly, then sends the opposite: theta' = 2 theta - theta(H), so Delta' = -Delta. Its norm is an honest
 * one, so only a look at the loss finds it.
 *
 * @module
 */
import type { InnerLoop } from "../../peer/inner-loop.ts";

export function signFlip(inner: InnerLoop): InnerLoop {
  return {
    async train(task) {
      const result = await inner.train(task);
      const start = task.start.parameters;
      return { ...result, parameters: result.parameters.map((value, i) => 2 * (start[i] ?? 0) - value) };
    },
    close: () => inner.close(),
  };
}
