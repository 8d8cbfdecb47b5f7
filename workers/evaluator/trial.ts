/**
 * Parameters with something tried on them. The agreed ones are never touched: trials happen on one copy, which is put
 * back to them, bit by bit, before each.
 *
 * @module
 */
import { isOuterloopError, type UsedUpdate } from "../../schemas/index.ts";
import type { RunView } from "../replica/run-view.ts";
import type { Payload } from "./payloads.ts";

export interface Trial {
  /** theta - b c_p update_p. The result is good until the next trial. */
  update(payload: Payload, factor: number): Float32Array;
  /** theta after the exact outer step over these updates; null: it is not finite. */
  outerStep(
    payloads: readonly Payload[],
    used: readonly UsedUpdate[],
    step: { round: number; keep: UsedKeep; alpha: string },
  ): Float32Array | null;
}

type UsedKeep = Parameters<RunView["codec"]["parseShard"]>[1]["k"];

/** `theta`: f32 [parameters] */
export function createTrial({ codec, layout }: RunView, theta: Float32Array): Trial {
  const copy = new Float32Array(theta.length);
  return {
    // Losses are compared with a tolerance, never by bits, so the order of these roundings is nobody's business.
    update({ shards, clip }, factor) {
      copy.set(theta);
      for (const { parsed } of shards) codec.addScaled(parsed, factor * clip, copy);
      return copy;
    },
    outerStep(payloads, used, { round, keep, alpha }) {
      try {
        for (const { number: shard } of layout.shards) {
          const expected = { layout, shard, round, k: keep };
          const entries = used.map(({ peer, coefficient }) => {
            const one = payloads.find((payload) => payload.peer === peer)?.shards[shard];
            if (one === undefined) throw new TypeError(`no payload of ${peer}`);
            return { peer, sha256: one.sha256, coefficientBits: coefficient, shard: one.parsed };
          });
          const sum = codec.buildAggregate({ ...expected, entries });
          codec.applyAggregate(codec.parseAggregate(sum, expected), alpha, theta, copy);
        }
      } catch (error) {
        if (isOuterloopError(error, "non-finite-result")) return null;
        throw error;
      }
      return copy;
    },
  };
}
