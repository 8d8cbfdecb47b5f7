import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { isOuterloopError } from "../schemas/errors.ts";
import { f32FromHex, f64ToHex } from "../schemas/primitives.ts";
import { createLayout, loadCodec } from "./codec.ts";
import { recordFormat } from "./record.ts";
import { allCodecs, allKernels, bytesOf } from "./testing.ts";
import { buildVectors, type Generator, generateValues, VECTORS } from "./vectors.ts";

interface FileEntry {
  file: string;
}
interface Ef84Index {
  cases: {
    name: string;
    elements: number;
    betaBits: string;
    errorInit: Generator;
    rounds: {
      generator: Generator;
      delta: FileEntry;
      errorBefore: FileEntry;
      errorAfter: FileEntry;
      records: FileEntry;
      decoded: FileEntry;
      squaredNormBits: string;
    }[];
  }[];
  aggregate: {
    elements: number;
    weightBits: string[];
    lrBits: string;
    records: FileEntry;
    thetaBefore: FileEntry;
    thetaAfter: FileEntry;
  }[];
  nonFinite: {
    name: string;
    elements: number;
    betaBits: string;
    element: number;
    cause: string;
    delta: FileEntry;
    errorBefore: FileEntry;
  }[];
  records: { file: FileEntry; valid: { name: string; valid: boolean }[] };
}

const EF84 = new URL("../test/vectors/ef84/", import.meta.url);
const index: Ef84Index = JSON.parse(readFileSync(new URL("index.json", EF84), "utf8"));
const bytes = ({ file }: FileEntry) => new Uint8Array(readFileSync(new URL(file, EF84)));
const floats = (entry: FileEntry) => new Float32Array(bytes(entry).buffer);
const float = (bits: string) => f32FromHex(bits.slice(2));

describe.each(allKernels)("EF84 vectors, $backend kernels", (kernels) => {
  test.each(index.cases)(
    "$name: records, error state, values and norm",
    ({ betaBits, errorInit, rounds }) => {
      rounds.forEach((round, number) => {
        const delta = floats(round.delta);
        const error = floats(round.errorBefore);
        expect(bytesOf(generateValues(round.generator, delta.length))).toEqual(bytesOf(delta));
        if (number === 0) expect(bytesOf(generateValues(errorInit, delta.length))).toEqual(bytesOf(error));

        const records = new Uint8Array(bytes(round.records).length);
        const norms = new Float64Array(records.length / 84);
        const decoded = new Float32Array(delta.length);
        const after = new Float32Array(delta.length);
        kernels.compress(delta, error, after, float(betaBits), 64, records);
        kernels.recordNorms(records, 64, norms);
        kernels.decode(records, 64, decoded);

        expect(records).toEqual(bytes(round.records));
        expect(bytesOf(after)).toEqual(bytesOf(bytes(round.errorAfter)));
        expect(bytesOf(decoded)).toEqual(bytesOf(bytes(round.decoded)));
        expect(`0x${f64ToHex(norms.reduce((sum, norm) => sum + norm, 0))}`).toBe(round.squaredNormBits);
        expect(kernels.findInvalid(records, 64, delta.length, 1)).toBe(-1);
      });
    },
  );

  test("aggregate and apply three peers on a chunk of 904 elements", () => {
    for (const { records, weightBits, lrBits, thetaBefore, thetaAfter } of index.aggregate) {
      const theta = floats(thetaBefore);
      const next = new Float32Array(theta.length);
      const coefficients = Float32Array.from(weightBits, float);
      expect(kernels.aggregate(bytes(records), 64, coefficients, float(lrBits), theta, next)).toBe(-1);
      expect(bytesOf(next)).toEqual(bytesOf(bytes(thetaAfter)));
    }
  });

  test.each(index.records.valid)("record validity: $name", ({ name, valid }) => {
    const { recordBytes } = recordFormat(64);
    const at = index.records.valid.findIndex((record) => record.name === name) * recordBytes;
    const record = bytes(index.records.file).subarray(at, at + recordBytes);
    expect(kernels.findInvalid(record, 64, 4096, 1)).toBe(valid ? -1 : 0);
  });
});

describe.each(allCodecs)("vectors, $backend codec", (codec) => {
  test.each(index.nonFinite)("$name is refused before anything is written", (vector) => {
    const layout = createLayout([{ name: "raw", shape: [vector.elements] }], 1);
    const error = floats(vector.errorBefore);
    const beta = float(vector.betaBits);
    const compress = () =>
      codec.compressUpdate(layout, floats(vector.delta), error, error.slice(), { round: 1, k: 64, beta });
    expect(compress).toThrow(
      expect.objectContaining({
        code: "non-finite-value",
        details: expect.objectContaining({ element: vector.element, cause: vector.cause }),
      }),
    );
    expect(bytesOf(error)).toEqual(bytesOf(bytes(vector.errorBefore)));
  });

  test("the SLC1 vectors in the repository are what this backend makes", () => {
    for (const [name, made] of buildVectors(codec)) {
      expect(Buffer.from(made).equals(readFileSync(new URL(name, VECTORS))), name).toBe(true);
    }
  });
});

test("a codec that is forced must exist", () => {
  expect(loadCodec({ backend: "reference" }).backend).toBe("reference");
  process.env.OUTERLOOP_CODEC = "fast";
  try {
    loadCodec();
    expect.unreachable();
  } catch (error) {
    expect(isOuterloopError(error, "invalid-setting")).toBe(true);
  } finally {
    delete process.env.OUTERLOOP_CODEC;
  }
});
