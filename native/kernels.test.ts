import { once } from "node:events";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromBfloat16, nearestBfloat16, type Vector } from "./bfloat16.ts";
import { CHUNK, KEEP_COUNTS, type KeepCount } from "./codec.ts";
import { crc32c } from "./crc32c.ts";
import { type Kernels, referenceKernels } from "./kernels.ts";
import { compressNaively } from "./oracle.ts";
import { emptyEntries, packRecord, recordFormat, unpackRecord } from "./record.ts";
import { sharedVector } from "./streaming/streams.ts";
import { allKernels, bytesOf, nativeKernels, type OddInput, oddInput, oddValues } from "./testing.ts";

const keepCounts = fc.constantFrom(...KEEP_COUNTS);
const betas = fc.constantFrom(0, 0.5, Math.fround(0.95), 1);
const { fround } = Math;

describe.each(KEEP_COUNTS)("records of k = %i", (k) => {
  test("have the size and the bits the specification gives", () => {
    const sizes: Record<KeepCount, number> = { 16: 28, 32: 48, 64: 84, 128: 148, 256: 260 };
    expect(recordFormat(k).recordBytes).toBe(sizes[k]);
    fc.assert(
      fc.property(oddInput, betas, (input, beta) => {
        const delta = oddValues(input);
        const error = oddValues({ ...input, seed: input.seed + 1 });
        const { found, records, next } = compressWith(referenceKernels, delta, error, beta, k);
        if (found >= 0) return;
        const expected = compressNaively(delta, error, beta, k);
        expect(bytesOf(records).equals(expected.records)).toBe(true);
        expect(bytesOf(next).equals(bytesOf(expected.error))).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  test("are valid, keep the largest magnitudes, and return what they drop to the error state", () => {
    fc.assert(
      fc.property(oddInput, (input) => {
        const delta = oddValues(input);
        const nothing = new Float32Array(delta.length);
        const { records, next: error } = compressWith(referenceKernels, delta, nothing, 1, k);
        expect(referenceKernels.findInvalid(records, k, delta.length, 1)).toBe(-1);
        const decoded = new Float32Array(delta.length);
        referenceKernels.decode(records, k, decoded);
        const kept = delta.map((x, i) => x - (decoded[i] as number));
        // An element not kept decodes to +0, and x - 0 = x but for the sign of zero.
        kept.forEach((x, i) => {
          expect(error[i]).toBe(x === 0 ? error[i] : x);
        });
      }),
      { numRuns: 25 },
    );
  });
});

describe.each(allKernels)("bfloat16 vectors, $backend", (kernels) => {
  const widened = (halves: Uint16Array) => Float32Array.from(halves, fromBfloat16);

  test("as pseudo-gradient are what they are as f32", () => {
    fc.assert(
      fc.property(oddInput, betas, keepCounts, (input, beta, k) => {
        const halves = Uint16Array.from(oddValues(input), nearestBfloat16);
        const error = oddValues({ ...input, seed: ~input.seed });
        const wanted = compressWith(kernels, widened(halves), error, beta, k);
        const { found, records, next } = compressWith(kernels, halves, error, beta, k);
        expect(found).toBe(wanted.found);
        if (found >= 0) return;
        expect(bytesOf(records).equals(bytesOf(wanted.records))).toBe(true);
        expect(bytesOf(next).equals(bytesOf(wanted.next))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  test("as parameters are rounded once, to nearest even, and may be their own result", () => {
    fc.assert(
      fc.property(oddInput, keepCounts, (input, k) => {
        const halves = Uint16Array.from(oddValues({ ...input, kind: "bits" }), nearestBfloat16);
        const records = chunkMajor(input, k, 3);
        const coefficients = Float32Array.of(1, 0.5, fround(0.3));
        const wide = new Float32Array(halves.length);
        const found = kernels.aggregate(records, k, coefficients, 0.5, widened(halves), wide);
        const rounded = Uint16Array.from(wide, nearestBfloat16);
        const tooLarge = rounded.findIndex((half) => (half & 0x7f80) === 0x7f80);
        const next = new Uint16Array(halves.length);
        expect(kernels.aggregate(records, k, coefficients, 0.5, halves, next)).toBe(tooLarge);
        expect(kernels.aggregate(records, k, coefficients, 0.5, halves, halves)).toBe(tooLarge);
        expect(found < 0 || tooLarge <= found).toBe(true);
        if (tooLarge >= 0) return;
        expect(bytesOf(next).equals(bytesOf(rounded))).toBe(true);
        expect(bytesOf(halves).equals(bytesOf(rounded))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  test("CRC-32C: the check value of the standard, and of bytes in two runs", () => {
    const text = Buffer.from("123456789");
    expect(kernels.crc32c(text, 0)).toBe(0xe3069283);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, at) => {
        const before = kernels.crc32c(bytes.subarray(0, at), 0);
        expect(kernels.crc32c(bytes.subarray(at), before)).toBe(crc32c(bytes));
      }),
    );
  });
});

test.each(allKernels)("the outer step names the lowest bfloat16 that is not finite, $backend", (kernels) => {
  const format = recordFormat(16);
  const entries = emptyEntries(format);
  entries.indices.set(Array.from({ length: 16 }, (_, i) => i));
  // Added to the largest bfloat16, the first is infinite once it is rounded to bfloat16, the second before.
  entries.codes.set([2, 3]);
  entries.low = 0x7b00;
  entries.high = 0x7c00;
  const records = new Uint8Array(format.recordBytes);
  packRecord(format, entries, records);
  const theta = new Uint16Array(CHUNK).fill(0x7f7f);
  expect(kernels.aggregate(records, 16, Float32Array.of(1), 1, theta, theta.slice())).toBe(0);
});

describe.each(allKernels)("work in the background, $backend", ({ background, ...kernels }) => {
  const shared = (values: Float32Array) => {
    const copy = sharedVector(values.length);
    copy.set(values);
    return copy;
  };
  const delta = shared(oddValues({ kind: "random", seed: 1, elements: 9000 }));
  const error = shared(oddValues({ kind: "random", seed: 2, elements: 9000 }));
  const emptyRecords = () => new Uint8Array(new SharedArrayBuffer(3 * 84));

  test("gives the same bytes", async () => {
    const wanted = compressWith({ ...kernels, background }, delta, error, 0.5, 64);
    const [next, records] = [sharedVector(9000), emptyRecords()];
    expect(await background.compress(delta, error, next, 0.5, 64, records)).toBe(-1);
    expect(bytesOf(records)).toEqual(bytesOf(wanted.records));
    expect(bytesOf(next)).toEqual(bytesOf(wanted.next));
    const factors = shared(Float32Array.of(0.25));
    const [now, later] = [sharedVector(9000), sharedVector(9000)];
    kernels.aggregate(records, 64, factors, 1.5, delta, now);
    expect(await background.aggregate(records, 64, factors, 1.5, delta, later)).toBe(-1);
    expect(bytesOf(later)).toEqual(bytesOf(now));
  });

  test("lives through arrays that are written meanwhile: what it wrote is valid", async () => {
    const scratch = shared(delta);
    for (let round = 0; round < 20; round++) {
      const records = emptyRecords();
      const work = background.compress(scratch, error, sharedVector(9000), 0.5, 64, records);
      for (let i = 0; i < scratch.length; i++) scratch[i] = i % 2 === 0 ? round : 1e-9 * i;
      expect(await work).toBe(-1);
      expect(kernels.findInvalid(records, 64, 9000, 1)).toBe(-1);
      const broken = background.aggregate(
        records,
        64,
        shared(Float32Array.of(1)),
        1,
        delta,
        sharedVector(9000),
      );
      records.fill(255 - round);
      await broken;
    }
  });
});

describe.each(nativeKernels)("the addon's work in the background: %#", ({ background }) => {
  test("takes arrays in shared memory only: others can be taken away", () => {
    const [own, shared] = [new Float32Array(CHUNK), () => sharedVector(CHUNK)];
    const records = new Uint8Array(new SharedArrayBuffer(84));
    expect(() => background.compress(own, shared(), shared(), 1, 64, records)).toThrow(TypeError);
    expect(() => background.compress(shared(), shared(), own, 1, 64, records)).toThrow(TypeError);
    expect(() => background.compress(shared(), shared(), shared(), 1, 64, new Uint8Array(84))).toThrow(
      TypeError,
    );
    expect(() => background.aggregate(records, 64, sharedVector(1), 1, own, shared())).toThrow(TypeError);
  });

  test("outlives a worker thread that ends under it", async () => {
    const url = JSON.stringify(new URL("./addon.ts", import.meta.url).href);
    const worker = new Worker(
      `(async () => {
        const { loadAddon } = await import(${url});
        const [{ background }] = loadAddon();
        const vector = () => new Float32Array(new SharedArrayBuffer(4 * 2 ** 22));
        for (let i = 0; i < 8; i++)
          background.compress(vector(), vector(), vector(), 1, 64, new Uint8Array(new SharedArrayBuffer(1024 * 84)));
        require("node:worker_threads").parentPort.postMessage("under way");
      })();`,
      { eval: true },
    );
    const [said] = await once(worker, "message");
    expect(said).toBe("under way");
    await worker.terminate();
  });
});

describe.each(nativeKernels)("the addon gives the bytes of the reference: %#", (native) => {
  test("compress, then everything that reads the records", () => {
    fc.assert(
      fc.property(oddInput, betas, keepCounts, (input, beta, k) => {
        const delta = oddValues(input);
        const error = oddValues({ ...input, seed: ~input.seed });
        const [a, b] = [referenceKernels, native].map((kernels) => {
          const state = error.slice();
          const { found: at, records, next } = compressWith(kernels, delta, state, beta, k);
          expect(bytesOf(state).equals(bytesOf(error))).toBe(true);
          const found = [at];
          if (at !== -1) return [Int32Array.from(found)];
          found.push(kernels.findInvalid(records, k, delta.length, 1));
          const norms = new Float64Array(Math.ceil(delta.length / CHUNK));
          kernels.recordNorms(records, k, norms);
          const dense = new Float32Array(delta.length);
          kernels.decode(records, k, dense);
          const sum = error.slice();
          kernels.addScaled(records, k, fround(-0.3), sum);
          return [records, next, norms, dense, sum, Int32Array.from(found)];
        });
        expect(a?.map(bytesOf)).toEqual(b?.map(bytesOf));
      }),
      { numRuns: 300 },
    );
  });

  test("aggregate any number of peers", () => {
    fc.assert(
      fc.property(oddInput, keepCounts, fc.integer({ min: 0, max: 5 }), (input, k, peers) => {
        const theta = oddValues({ ...input, kind: "random" });
        const records = chunkMajor(input, k, peers);
        const coefficients = Float32Array.from({ length: peers }, (_, p) => 1 / (p + 3));
        const [a, b] = [referenceKernels, native].map((kernels) => {
          const next = new Float32Array(theta.length);
          const found = kernels.aggregate(records, k, coefficients, fround(1.7), theta, next);
          return [found, bytesOf(next)];
        });
        expect(a).toEqual(b);
      }),
      { numRuns: 100 },
    );
  });

  test("judge damaged and random records alike", () => {
    fc.assert(
      fc.property(oddInput, keepCounts, fc.nat(), fc.integer({ min: 1, max: 255 }), (input, k, at, flip) => {
        const records = chunkMajor(input, k, 1);
        records[at % records.length] = (records[at % records.length] as number) ^ flip;
        const verdicts = [referenceKernels, native].map((kernels) =>
          kernels.findInvalid(records, k, input.elements, 1),
        );
        expect(verdicts[0]).toBe(verdicts[1]);
      }),
      { numRuns: 300 },
    );
  });

  test("find the same element that is not finite", () => {
    fc.assert(
      fc.property(
        oddInput,
        fc.nat(),
        fc.constantFrom(Number.NaN, Infinity, -Infinity, 3.4e38),
        (input, at, bad) => {
          const delta = oddValues(input);
          const error = new Float32Array(delta.length);
          delta[at % delta.length] = bad;
          error[at % delta.length] = bad;
          const expected = compressWith(referenceKernels, delta, error, 1, 64).found;
          expect(compressWith(native, delta, error, 1, 64).found).toBe(expected);
          expect(expected).toBeGreaterThanOrEqual(0);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe.each(nativeKernels)("the addon stays within its arrays: %#", (native) => {
  test("with random bytes as records", () => {
    fc.assert(
      fc.property(
        keepCounts,
        fc.uint8Array({ minLength: 520, maxLength: 520 }),
        fc.integer({ min: 1, max: 8192 }),
        (k, noise, elements) => {
          const chunks = Math.ceil(elements / CHUNK);
          const records = noise.slice(0, chunks * recordFormat(k).recordBytes);
          const out = new Float32Array(elements);
          native.decode(records, k, out);
          native.addScaled(records, k, 1, out);
          native.recordNorms(records, k, new Float64Array(chunks));
          native.aggregate(records, k, Float32Array.of(1), 1, out, out.slice());
        },
      ),
      { numRuns: 500 },
    );
  });

  test("and answers a wrong argument with a TypeError", () => {
    const vector = new Float32Array(CHUNK);
    const records = new Uint8Array(84);
    const loose = native as unknown as Record<string, (...values: unknown[]) => unknown>;
    const calls: [string, ...unknown[]][] = [
      ["compress"],
      ["compress", vector, vector, new Float32Array(1), 1, 64, records],
      ["compress", vector, new Float64Array(CHUNK), new Float32Array(CHUNK), 1, 64, records],
      ["compress", [], [], [], 1, 64, records],
      ["compress", vector, vector, new Float32Array(CHUNK), 1, 64, new Uint8Array(83)],
      ["compress", vector, vector, new Float32Array(CHUNK), 1, 63, records],
      ["compress", vector, new Float32Array(CHUNK), vector, 1, 64, records],
      ["compress", new Float32Array(CHUNK), vector, vector, 1, 64, records],
      ["compress", vector, vector, new Float32Array(CHUNK), "1", 64, records],
      ["findInvalid", records, 64, CHUNK + 1, 1],
      ["findInvalid", records, 64, CHUNK, 2],
      ["findInvalid", records, 64, 2 ** 53, 2 ** 53],
      ["findInvalid", records, 64, -1, 1],
      ["findInvalid", records, 64, Number.NaN, 1],
      ["recordNorms", records, 64, new Float64Array(2)],
      ["decode", records, 64, new Float32Array(CHUNK + 1)],
      ["decode", records, 64, null],
      ["addScaled", records, 64, undefined, vector],
      ["aggregate", records, 64, new Float32Array(2), 1, vector, vector],
      ["aggregate", records, 64, new Float32Array(1), 1, vector, new Float32Array(1)],
      ["aggregate", records, 64, new Float32Array(1), 1, vector, new Uint16Array(CHUNK)],
      [
        "aggregate",
        records,
        64,
        new Float32Array(1),
        1,
        new Float32Array(CHUNK + 1).subarray(0, CHUNK),
        vector.subarray(1),
      ],
      ["compress", new Int16Array(CHUNK), vector, new Float32Array(CHUNK), 1, 64, records],
      ["crc32c", records, -1],
      ["crc32c", records, 2 ** 32],
      ["crc32c", "text", 0],
    ];
    for (const [name, ...values] of calls) expect(() => loose[name]?.(...values), name).toThrow(TypeError);
  });
});

test("every kernel set is complete", () => {
  for (const kernels of allKernels)
    expect(Object.keys(kernels).sort()).toEqual(Object.keys(referenceKernels).sort());
});

test("unpacking a record gives back its entries", () => {
  const format = recordFormat(16);
  const delta = Float32Array.from({ length: CHUNK }, (_, i) => (i % 256 === 255 ? -1 - i / CHUNK : 0));
  const { records } = compressWith(referenceKernels, delta, new Float32Array(CHUNK), 1, 16);
  const entries = emptyEntries(format);
  expect(unpackRecord(format, records, entries)).toBe(16);
  expect([...entries.indices]).toEqual(Array.from({ length: 16 }, (_, j) => 256 * j + 255));
  expect([...entries.codes]).toEqual(Array.from({ length: 16 }, (_, j) => (j < 8 ? 2 : 3)));
});

function compressWith(
  kernels: Kernels,
  delta: Vector,
  error: Float32Array,
  beta: number,
  k: KeepCount,
): { found: number; records: Uint8Array; next: Float32Array } {
  const records = new Uint8Array(Math.ceil(delta.length / CHUNK) * recordFormat(k).recordBytes);
  const next = new Float32Array(delta.length);
  return { found: kernels.compress(delta, error, next, beta, k, records), records, next };
}

/** Records of several peers, chunk 0 of peer 0, of peer 1, ... */
function chunkMajor(input: OddInput, k: KeepCount, peers: number): Uint8Array {
  const { recordBytes } = recordFormat(k);
  const chunks = Math.ceil(input.elements / CHUNK);
  const all = new Uint8Array(chunks * peers * recordBytes);
  for (let peer = 0; peer < peers; peer++) {
    const delta = oddValues({ ...input, seed: input.seed + peer });
    const { records: own } = compressWith(referenceKernels, delta, new Float32Array(delta.length), 1, k);
    for (let chunk = 0; chunk < chunks; chunk++) {
      all.set(
        own.subarray(chunk * recordBytes, (chunk + 1) * recordBytes),
        (chunk * peers + peer) * recordBytes,
      );
    }
  }
  return all;
}
