/**
 * The compressed downlink: the weighted sum of a round made sparse again, what it drops kept as error feedback of whoever aggregates.
 * One more compression, under the same arithmetic profile: nothing is lost, only delayed.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import { f32FromHex } from "../../schemas/primitives.ts";
import type { ParsedShard } from "../container.ts";
import type { Expected } from "../container-head.ts";
import type { Kernels } from "../kernels.ts";
import { CHUNK } from "../layout.ts";
import { addScaledRaw } from "../raw.ts";
import { recordFormat } from "../record.ts";
import { partRaw } from "../shard-data.ts";
import { type AggregateEntry, aggregateHead, checkSources } from "../sla.ts";
import { type CompressVectors, compressStream } from "./compress-stream.ts";
import type { ByteSink } from "./ends.ts";
import type { StreamOptions } from "./options.ts";

/** Peers whose entries are added within one turn of the event loop. */
const PEERS_PER_TURN = 8;

/**
 * Writes an SLC1 object of x = e + sum a_p * update_p, peers ascending, of which each chunk keeps `expected.k` entries; e' = x - update.
 * As an aggregate of one entry with coefficient 1 it is applied like any other.
 *
 * @param expected - of the object that is written; its k may be another than that of the entries
 * @param entries - submissions of this shard and round
 * @param state - error state of the aggregator before and after, f32; see {@link CompressVectors}
 * @throws `invalid-argument`; `non-finite-value` with the lowest element
 */
export async function resparsifyStream(
  kernels: Kernels,
  expected: Expected,
  entries: readonly (AggregateEntry & { shard: ParsedShard })[],
  state: Pick<CompressVectors, "error" | "next">,
  object: ByteSink,
  options: StreamOptions = {},
): Promise<void> {
  checkSources(expected, entries);
  const ordered = aggregateHead(expected, entries).entries;
  const { shard: shape } = aggregateHead(expected, []);
  const sum = {
    elements: shape.elements,
    async read(first: number, into: Float32Array) {
      into.fill(0);
      const part = shape.parts.find(
        (one) => one.first - shape.first <= first && first < one.first - shape.first + one.elements,
      );
      if (part === undefined) throw new RangeError(`no part holds element ${first}`);
      const from = part.firstChunk + (first - (part.first - shape.first)) / CHUNK;
      const chunks = Math.ceil(into.length / CHUNK);
      for (const [p, { shard, coefficientBits }] of ordered.entries()) {
        const factor = f32FromHex(coefficientBits);
        const { recordBytes } = recordFormat(shard.k);
        if (part.raw) addScaledRaw(partRaw(part, shard.raw), factor, into);
        else {
          const records = shard.records.subarray(from * recordBytes, (from + chunks) * recordBytes);
          kernels.addScaled(records, shard.k, factor, into);
        }
        if (p % PEERS_PER_TURN === PEERS_PER_TURN - 1) await setImmediate();
      }
    },
  };
  await compressStream(kernels, expected, { delta: sum, ...state, beta: 1 }, object, options);
}
