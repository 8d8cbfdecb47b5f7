import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isOuterloopError } from "../schemas/errors.ts";
import {
  type Codec,
  createLayout,
  type Expected,
  KEEP_COUNTS,
  type ParsedShard,
  shardSizeBytes,
} from "./codec.ts";
import { sealContainer } from "./container.ts";
import { crc32c } from "./crc32c.ts";
import { referenceKernels } from "./kernels.ts";
import { shardOf, shardOffsets } from "./layout.ts";
import { allCodecs, bytesOf, oddInput, oddValues, smallLayout, submission } from "./testing.ts";

const expected: Expected = { layout: smallLayout, shard: 0, round: 1, k: 16 };
const offsets = shardOffsets(shardOf(smallLayout, 0), 16);

test("CRC-32C of the standard's check string", () => {
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
});

describe.each(allCodecs)("an SLC1 object, $backend", (codec) => {
  const object = (k: (typeof KEEP_COUNTS)[number] = 16, shard = 0) =>
    submission(codec, 5, k).bytes[shard] ?? new Uint8Array();

  test("reads as what was written, for any input and k", () => {
    fc.assert(
      fc.property(oddInput, fc.constantFrom(...KEEP_COUNTS), ({ kind, seed }, k) => {
        const delta = oddValues({ kind, seed, elements: smallLayout.parameters });
        const [before, error] = [new Float32Array(delta.length), new Float32Array(delta.length)];
        const bytes = codec.compressUpdate(smallLayout, delta, before, error, { round: 9, k, beta: 1 });
        bytes.forEach((slc, shard) => {
          expect(slc.length).toBe(shardSizeBytes(shardOf(smallLayout, shard), k));
          const parsed = codec.parseShard(slc, { layout: smallLayout, shard, round: 9, k });
          const sum = error.slice();
          codec.addScaled(parsed, 1, sum);
          // What was sent plus what was kept is what was to be sent, up to the rounding of one addition.
          const { first } = parsed.shard;
          codec.decode(parsed).forEach((value, i) => {
            const x = delta[first + i] ?? 0;
            expect(Math.abs((sum[first + i] ?? 0) - x)).toBeLessThanOrEqual(
              Math.abs(value) * 2 ** -22 + 1e-44,
            );
          });
        });
      }),
      { numRuns: 20 },
    );
  });

  test("is refused with any one bit flipped", () => {
    const original = object();
    for (let at = 0; at < original.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const damaged = original.slice();
        damaged[at] = (damaged[at] as number) ^ (1 << bit);
        expect(refusal(codec, damaged), `byte ${at}, bit ${bit}`).toBe("invalid-container");
      }
    }
  });

  test("is refused when cut, extended or empty", () => {
    const original = object();
    for (const size of [0, 1, 63, 64, original.length - 1, original.length + 1, 2 * original.length]) {
      const bytes = new Uint8Array(size);
      bytes.set(original.subarray(0, size));
      expect(refusal(codec, bytes), `${size} bytes`).toBe("invalid-container");
    }
  });

  test("names the field of a well-signed object that is not the one expected", () => {
    const slc = object();
    expect(refusal(codec, slc, { ...expected, round: 2 })).toBe("invalid-container");
    expect(() => codec.parseShard(slc, { ...expected, round: 2 })).toThrow(
      "round (byte 40): expected 02000000, got 01000000",
    );
    const renamed = createLayout(
      smallLayout.tensors.map((tensor) => ({ ...tensor, name: `${tensor.name}'` })),
      3,
    );
    expect(() => codec.parseShard(slc, { ...expected, layout: renamed })).toThrow("schema id");
    expect(refusal(codec, slc, { ...expected, k: 32 })).toBe("invalid-container");
    expect(refusal(codec, slc, { ...expected, shard: 1 })).toBe("invalid-container");
    expect(refusal(codec, slc, { ...expected, shard: 2 })).toBe("invalid-argument");
  });

  test("is refused with a false header or norm under correct checksums", () => {
    for (const at of [
      6,
      12,
      16,
      24,
      39,
      44,
      offsets.tensorTable + 8,
      offsets.tensorTable + 22,
      offsets.tensorTable + 31,
    ]) {
      const forged = object();
      forged[at] = (forged[at] as number) ^ 1;
      sealChecksums(forged);
      expect(refusal(codec, forged), `byte ${at}`).toBe("invalid-container");
    }
    const padded = object();
    padded[offsets.tablesEnd] = 1;
    expect(() => codec.parseShard(padded, expected)).toThrow("padding");
  });

  test("is refused with a bad record or raw value under correct checksums, naming the place", () => {
    const emptyBitmap = object();
    emptyBitmap.fill(0, offsets.records + 28, offsets.records + 32);
    sealContainer(emptyBitmap, expected, referenceKernels);
    expect(() => codec.parseShard(emptyBitmap, expected)).toThrow(
      "chunk 1: 0 bitmap bits are set instead of 16",
    );
    expect(refusal(codec, emptyBitmap)).toBe("invalid-record");

    const infinite = object();
    infinite.set([0x80, 0x7f], offsets.raw + 6);
    sealContainer(infinite, expected, referenceKernels);
    expect(() => codec.parseShard(infinite, expected)).toThrow("raw element 3");
    expect(refusal(codec, infinite)).toBe("invalid-raw-value");
  });

  test("of random bytes never does more than be refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: offsets.sizeBytes, maxLength: offsets.sizeBytes }), (bytes) => {
        expect(refusal(codec, bytes)).toBe("invalid-container");
      }),
    );
    fc.assert(
      fc.property(
        fc.uint8Array({
          minLength: offsets.sizeBytes - offsets.records,
          maxLength: offsets.sizeBytes - offsets.records,
        }),
        (data) => {
          const bytes = object();
          bytes.set(data, offsets.records);
          sealContainer(bytes, expected, referenceKernels);
          expect(refusal(codec, bytes)).toMatch(/^invalid-(record|raw-value)$/);
        },
      ),
    );
  });
});

describe.each(allCodecs)("the codec's face, $backend", (codec) => {
  const shard = (seed: number): ParsedShard => {
    const [first] = submission(codec, seed, 32).shards;
    if (!first) throw new Error("a submission has shards");
    return first;
  };

  test("measures each tensor part, padding entries included", () => {
    const parsed = shard(1);
    const dense = codec.decode(parsed);
    const norms = codec.squaredNorms(parsed);
    parsed.shard.parts.forEach((part, i) => {
      const values = dense.subarray(part.first, part.first + part.elements);
      const norm = values.reduce((sum, value) => sum + value ** 2, 0);
      expect(norms[i]).toBeCloseTo(norm, 6);
    });
  });

  test("gives the support of a chunk", () => {
    const parsed = shard(1);
    const support = [...codec.support(parsed, 1)];
    const values = codec.decode(parsed).subarray(10 + 4096, 10 + 5000);
    expect(support).toEqual([...values.keys()].filter((i) => values[i] !== 0));
    expect(() => codec.support(parsed, 3)).toThrow(expect.objectContaining({ code: "invalid-argument" }));
  });

  test("adds to the whole model or to the shard alone, and leaves the rest", () => {
    const parsed = submission(codec, 1, 32).shards[1];
    if (!parsed) throw new Error("the layout has two shards");
    const model = new Float32Array(smallLayout.parameters).fill(1);
    const alone = new Float32Array(parsed.shard.elements).fill(1);
    codec.addScaled(parsed, -2, model);
    codec.addScaled(parsed, -2, alone, "shard");
    expect(bytesOf(model.subarray(parsed.shard.first))).toEqual(bytesOf(alone));
    expect(model.subarray(0, parsed.shard.first).every((value) => value === 1)).toBe(true);
    const expectedValues = codec.decode(parsed).map((value) => 1 + Math.fround(value * -2));
    expect(alone).toEqual(expectedValues);
  });

  test("refuses wrong lengths and numbers", () => {
    const parsed = shard(1);
    const vector = new Float32Array(smallLayout.parameters);
    const compress =
      (delta: Float32Array, error: Float32Array, options: object, next = vector.slice()) =>
      () =>
        codec.compressUpdate(smallLayout, delta, error, next, { round: 1, k: 64, beta: 0.9, ...options });
    const calls = [
      compress(vector, new Float32Array(3), {}),
      compress(vector, vector.slice(), {}, vector),
      compress(vector.slice(), vector, {}, vector),
      compress(vector, vector, {}, new Float32Array(3)),
      compress(vector, vector.slice(), { beta: 1.1 }),
      compress(vector, vector.slice(), { beta: Number.NaN }),
      compress(vector, vector.slice(), { k: 65 }),
      compress(vector, vector.slice(), { round: -1 }),
      () => codec.addScaled(parsed, 1, new Float32Array(5)),
      () => codec.addScaled(parsed, Infinity, vector),
      () => codec.parseShard(new Uint8Array(), { ...expected, round: 0.5 }),
    ];
    for (const call of calls) expect(call).toThrow(expect.objectContaining({ code: "invalid-argument" }));
  });

  test("leaves the error state as it was when the last element of the model is not finite", () => {
    const delta = oddValues({ kind: "random", seed: 3, elements: smallLayout.parameters });
    delta[delta.length - 1] = Number.NaN;
    const error = oddValues({ kind: "random", seed: 4, elements: smallLayout.parameters });
    const before = error.slice();
    const options = { round: 1, k: 64, beta: 1 } as const;
    expect(() => codec.compressUpdate(smallLayout, delta, error, error.slice(), options)).toThrow(
      expect.objectContaining({ code: "non-finite-value" }),
    );
    expect(bytesOf(error)).toEqual(bytesOf(before));
  });
});

/** The code an object is refused with; anything but a typed error fails the test. */
function refusal(codec: Codec, bytes: Uint8Array, wanted = expected): string {
  try {
    codec.parseShard(bytes, wanted);
    return "accepted";
  } catch (error) {
    if (isOuterloopError(error)) return error.code;
    throw error;
  }
}

/** Corrects digests and CRCs the way a forger would, and nothing else. */
function sealChecksums(bytes: Uint8Array): void {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  offsets.segments.forEach(({ start, end }, i) => {
    const at = offsets.segmentTable + 36 * i;
    createHash("sha256").update(bytes.subarray(start, end)).digest().copy(view, at);
    view.writeUInt32LE(crc32c(bytes.subarray(start, end)), at + 32);
  });
  view.writeUInt32LE(crc32c(bytes.subarray(64, offsets.tablesEnd)), 56);
  view.writeUInt32LE(crc32c(bytes.subarray(0, 60)), 60);
}
