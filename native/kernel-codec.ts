/**
 * The codec over any set of kernels: checks arguments, walks the parts of a shard, and leaves the bulk work to the
 * kernels.
 *
 * @module
 */
import { readerOf, type Vector } from "./bfloat16.ts";
import { newContainer, parseContainer, sealContainer } from "./container.ts";
import { recordAt } from "./decode.ts";
import type { Codec, Extent } from "./face.ts";
import {
  checkedBeta,
  checkLength,
  checkOneType,
  invalidArgument,
  nonFiniteResult,
  nonFiniteValue,
  overlap,
} from "./faults.ts";
import type { Kernels } from "./kernels.ts";
import { CHUNK, type ShardLayout, type TensorPart, tilesOf, type UpdateLayout } from "./layout.ts";
import { addScaledRaw, aggregateRaw, compressRaw, decodeRaw } from "./raw.ts";
import { emptyEntries, recordFormat, unpackRecord } from "./record.ts";
import { partRaw, partRecords } from "./shard-data.ts";
import { alphaOf, buildAggregate, parseAggregate } from "./sla.ts";

/** 4 MiB of values: they stay in the cache until they are read. */
const TILE_CHUNKS = 256;

/** A codec that does its bulk work with the kernels given. */
export function createCodec(kernels: Kernels): Codec {
  return {
    backend: kernels.backend,

    compressUpdate(layout, delta, error, next, options) {
      const beta = checkedBeta(options.beta);
      for (const [name, vector] of Object.entries({ delta, error, next }))
        checkLength(name, vector, layout.parameters);
      if (overlap(delta, next) || overlap(error, next))
        throw invalidArgument("next shares memory with delta or error");
      return layout.shards.map((shard) => {
        const expected = { layout, shard: shard.number, round: options.round, k: options.k };
        const { bytes, records, raw } = newContainer(expected);
        for (const part of shard.parts) {
          const [from, state, to] = [slice(delta, part), slice(error, part), slice(next, part)] as const;
          const at = part.raw
            ? compressRaw(from, state, to, beta, partRaw(part, raw))
            : kernels.compress(from, state, to, beta, options.k, partRecords(part, records, options.k));
          if (at >= 0) throw nonFiniteValue(part.first + at, readerOf(from)(at), state[at] as number);
        }
        sealContainer(bytes, expected, kernels);
        return bytes;
      });
    },

    parseShard: (bytes, expected) => parseContainer(bytes, expected, kernels),

    squaredNorms: (shard) => shard.squaredNorms.slice(),

    decode({ shard, k, records, raw }) {
      const out = new Float32Array(shard.elements);
      for (const part of shard.parts) {
        const target = slice(out, part, shard.first);
        if (part.raw) decodeRaw(partRaw(part, raw), target);
        else kernels.decode(partRecords(part, records, k), k, target);
      }
      return out;
    },

    *decodeTiles({ shard, k, records, raw }) {
      const { recordBytes } = recordFormat(k);
      const room = new Float32Array(Math.min(shard.elements, TILE_CHUNKS * CHUNK));
      for (const { part, chunk, chunks, elements } of tilesOf(shard, TILE_CHUNKS)) {
        const tile = room.subarray(0, elements);
        if (part.raw) decodeRaw(partRaw(part, raw), tile);
        else kernels.decode(records.subarray(chunk * recordBytes, (chunk + chunks) * recordBytes), k, tile);
        yield tile;
      }
    },

    addScaled({ layout, shard, k, records, raw }, factor, out, extent = "model") {
      const rounded = Math.fround(factor);
      if (!Number.isFinite(rounded)) throw invalidArgument(`the factor must be finite, not ${factor}`);
      const target = shardRange("out", out, layout, shard, extent);
      for (const part of shard.parts) {
        const partOut = slice(target, part, shard.first);
        if (part.raw) addScaledRaw(partRaw(part, raw), rounded, partOut);
        else kernels.addScaled(partRecords(part, records, k), k, rounded, partOut);
      }
    },

    support({ shard, k, records }, chunk) {
      if (!Number.isInteger(chunk) || chunk < 0 || chunk >= shard.chunks) {
        throw invalidArgument(`shard ${shard.number} has ${shard.chunks} chunks, none is number ${chunk}`);
      }
      const format = recordFormat(k);
      const entries = emptyEntries(format);
      unpackRecord(format, recordAt(records, format, chunk), entries);
      return entries.indices;
    },

    buildAggregate,

    parseAggregate: (bytes, expected) => parseAggregate(bytes, expected, kernels),

    applyAggregate(aggregate, alphaBits, theta, next, extent = "model") {
      const { layout, shard, k, coefficients, records, raw } = aggregate;
      const alpha = alphaOf(alphaBits);
      const peers = coefficients.length;
      checkOneType(theta, next);
      if (overlap(theta, next) && theta.byteOffset !== next.byteOffset)
        throw invalidArgument("next must be theta itself, or share no memory with it");
      const current = shardRange("theta", theta, layout, shard, extent);
      const after = shardRange("next", next, layout, shard, extent);
      for (const part of shard.parts) {
        const from = slice(current, part, shard.first);
        const to = slice(after, part, shard.first);
        const at = part.raw
          ? aggregateRaw(partRaw(part, raw, peers), coefficients, alpha, from, to)
          : kernels.aggregate(partRecords(part, records, k, peers), k, coefficients, alpha, from, to);
        if (at >= 0) throw nonFiniteResult(shard.number, part.first + at, readerOf(to)(at));
      }
    },
  };
}

/** The elements of a part within a vector whose element 0 is the model's element `first`. */
function slice<V extends Vector>(vector: V, part: TensorPart, first = 0): V {
  return vector.subarray(part.first - first, part.first - first + part.elements) as V;
}

function shardRange<V extends Vector>(
  name: string,
  vector: V,
  layout: UpdateLayout,
  shard: ShardLayout,
  extent: Extent,
): V {
  checkLength(name, vector, extent === "model" ? layout.parameters : shard.elements);
  return extent === "model" ? (vector.subarray(shard.first, shard.first + shard.elements) as V) : vector;
}
