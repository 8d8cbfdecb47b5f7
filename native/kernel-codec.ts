/**
 * The codec over any set of kernels: checks arguments, walks the parts of a shard, and leaves the bulk work to the
 * kernels.
 *
 * @module
 */
import { OuterloopError } from "../schemas/errors.ts";
import { f32FromHex } from "../schemas/primitives.ts";
import { newContainer, parseContainer, partRaw, partRecords, sealContainer } from "./container.ts";
import { recordAt } from "./decode.ts";
import type { Codec, Extent } from "./face.ts";
import type { Kernels } from "./kernels.ts";
import type { ShardLayout, TensorPart, UpdateLayout } from "./layout.ts";
import { addScaledRaw, aggregateRaw, compressRaw, decodeRaw } from "./raw.ts";
import { emptyEntries, recordFormat, unpackRecord } from "./record.ts";
import { buildAggregate, isCoefficient, parseAggregate } from "./sla.ts";

/** A codec that does its bulk work with the kernels given. */
export function createCodec(kernels: Kernels): Codec {
  // Results of an outer step until all are known to be finite. Kept: fresh pages cost more than the sums.
  let results = new Float32Array(0);
  return {
    backend: kernels.backend,

    compressUpdate(layout, delta, error, next, options) {
      const beta = Math.fround(options.beta);
      if (!(beta >= 0 && beta <= 1)) throw invalidArgument(`beta must lie in 0..1, not ${options.beta}`);
      for (const [name, vector] of Object.entries({ delta, error, next }))
        checkLength(name, vector, layout.parameters);
      if (overlap(delta, next) || overlap(error, next))
        throw invalidArgument("next shares memory with delta or error");
      return layout.shards.map((shard) => {
        const expected = { layout, shard: shard.number, round: options.round, k: options.k };
        const { bytes, records, raw } = newContainer(expected);
        for (const part of shard.parts) {
          const [from, state, to] = [delta, error, next].map((vector) => slice(vector, part)) as [
            Float32Array,
            Float32Array,
            Float32Array,
          ];
          const at = part.raw
            ? compressRaw(from, state, to, beta, partRaw(part, raw))
            : kernels.compress(from, state, to, beta, options.k, partRecords(part, records, options.k));
          if (at >= 0) throw nonFiniteValue(part.first + at, from[at] as number, state[at] as number);
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

    applyAggregate({ layout, shard, k, coefficients, records, raw }, alphaBits, theta, extent = "model") {
      if (!isCoefficient(alphaBits)) {
        throw invalidArgument(`alpha ${alphaBits} is not the bits of a finite float that is not negative`);
      }
      const alpha = f32FromHex(alphaBits);
      const peers = coefficients.length;
      const current = shardRange("theta", theta, layout, shard, extent);
      if (results.length < shard.elements) results = new Float32Array(shard.elements);
      const next = results.subarray(0, shard.elements);
      for (const part of shard.parts) {
        const from = slice(current, part, shard.first);
        const to = slice(next, part, shard.first);
        const at = part.raw
          ? aggregateRaw(partRaw(part, raw, peers), coefficients, alpha, from, to)
          : kernels.aggregate(partRecords(part, records, k, peers), k, coefficients, alpha, from, to);
        if (at < 0) continue;
        throw new OuterloopError(
          "non-finite-result",
          `shard ${shard.number}: the outer step makes parameter ${part.first + at} ${to[at]}`,
          { shard: shard.number, element: part.first + at },
        );
      }
      current.set(next);
    },
  };
}

/** The elements of a part within a vector whose element 0 is the model's element `first`. */
function slice(vector: Float32Array, part: TensorPart, first = 0): Float32Array {
  return vector.subarray(part.first - first, part.first - first + part.elements);
}

function shardRange(
  name: string,
  vector: Float32Array,
  layout: UpdateLayout,
  shard: ShardLayout,
  extent: Extent,
): Float32Array {
  checkLength(name, vector, extent === "model" ? layout.parameters : shard.elements);
  return extent === "model" ? vector.subarray(shard.first, shard.first + shard.elements) : vector;
}

function checkLength(name: string, vector: Float32Array, elements: number): void {
  if (vector.length === elements) return;
  throw invalidArgument(`${name} has ${vector.length} elements, expected ${elements}`);
}

function overlap(a: Float32Array, b: Float32Array): boolean {
  const [first, second] = a.byteOffset <= b.byteOffset ? [a, b] : [b, a];
  return a.buffer === b.buffer && first.byteOffset + first.byteLength > second.byteOffset;
}

function nonFiniteValue(element: number, delta: number, error: number): OuterloopError {
  const cause = !Number.isFinite(delta) ? "delta" : !Number.isFinite(error) ? "error-state" : "overflow";
  return new OuterloopError(
    "non-finite-value",
    `element ${element} of beta * e + delta is not finite (${cause}): delta ${delta}, e ${error}`,
    { element, cause, delta, error },
  );
}

function invalidArgument(message: string): OuterloopError {
  return new OuterloopError("invalid-argument", message);
}
