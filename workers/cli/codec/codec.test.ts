import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createLayout, KEEP_COUNTS, loadCodec, shardSizeBytes } from "../../../native/codec.ts";
import { expectationOf } from "../../../native/describe.ts";
import { oddInput, oddValues } from "../../../native/testing.ts";
import { isOuterloopError } from "../../../schemas/index.ts";
import { decode, type EncodeOptions, encode } from "./codec.ts";
import { bytesOf } from "./files.ts";
import { inspect, inspectedText } from "./inspect.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-codec-"));
});
afterEach(() => rm(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const write = (name: string, values: readonly number[] | Float32Array) =>
  writeFile(at(name), bytesOf(Float32Array.from(values)));
const read = async (name: string) => {
  const bytes = await readFile(at(name));
  return new Float32Array(new Uint8Array(bytes).buffer);
};
const options = (changes: Partial<EncodeOptions> = {}): EncodeOptions => ({
  delta: at("delta.f32"),
  error: undefined,
  beta: 0.95,
  k: 64,
  round: 3,
  out: at("update"),
  errorOut: at("error-out.f32"),
  rawRecords: false,
  ...changes,
});
const bell = (elements: number) => oddValues({ kind: "random", seed: 1, elements });

describe.each([false, true])("encoding and decoding a tensor, bare records: %s", (rawRecords) => {
  it.each([10, 100, 4096, 5000])(
    "of %d elements loses nothing but what stays in the error state",
    async (n) => {
      const delta = bell(n);
      await write("delta.f32", delta);
      await write("error.f32", new Float32Array(n));
      await encode(options({ rawRecords, error: at("error.f32") }));
      await decode({
        in: at("update"),
        out: at("values.f32"),
        bare: rawRecords ? { elements: n, k: 64 } : undefined,
      });
      const [values, left] = [await read("values.f32"), await read("error-out.f32")];
      expect(values).toHaveLength(n);
      for (const [i, value] of delta.entries())
        expect((values[i] ?? 0) + (left[i] ?? 0)).toBeCloseTo(value, 6);
      expect((await readdir(folder)).toSorted()).toEqual([
        "delta.f32",
        "error-out.f32",
        "error.f32",
        "update",
        "values.f32",
      ]);
    },
  );

  it("names the place of a value that is not finite, and writes no file", async () => {
    const delta = bell(5000);
    delta[4500] = Number.NaN;
    await write("delta.f32", delta);
    await writeFile(at("update"), "as it was");
    const failure = await encode(options({ rawRecords })).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "non-finite-value", details: { tensor: "tensor", element: 4500 } });
    expect((await readdir(folder)).toSorted()).toEqual(["delta.f32", "update"]);
    expect(await readFile(at("update"), "utf8")).toBe("as it was");
  });
});

describe("a safetensors file", () => {
  const safetensors = (tensors: Record<string, { dtype: string; shape: number[]; data: Buffer }>) => {
    const header: Record<string, unknown> = { __metadata__: { made: "here" } };
    const parts: Buffer[] = [];
    let from = 0;
    for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
      header[name] = { dtype, shape, data_offsets: [from, from + data.length] };
      from += data.length;
      parts.push(data);
    }
    const json = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    return writeFile(at("delta.safetensors"), Buffer.concat([length, json, ...parts]));
  };
  const wide = (values: Float32Array) => Buffer.from(bytesOf(values));

  it("is one update with all its tensors; bfloat16 is widened exactly", async () => {
    const matrix = bell(8200);
    await safetensors({
      matrix: { dtype: "F32", shape: [82, 100], data: wide(matrix) },
      bias: { dtype: "BF16", shape: [2], data: Buffer.from([0x80, 0x3f, 0x00, 0xc0]) },
    });
    await encode(options({ delta: at("delta.safetensors") }));
    const bytes = await readFile(at("update"));
    const layout = createLayout(
      [
        { name: "matrix", shape: [82, 100] },
        { name: "bias", shape: [2] },
      ],
      10,
    );
    const codec = loadCodec();
    const parsed = codec.parseShard(bytes, { layout, shard: 0, round: 3, k: 64 });
    expect([...codec.decode(parsed).slice(-2)]).toEqual([1, -2]);
  });

  it("names the tensor of a value that is not finite", async () => {
    await safetensors({
      first: { dtype: "F32", shape: [3], data: wide(Float32Array.of(1, 2, 3)) },
      second: { dtype: "F32", shape: [2], data: wide(Float32Array.of(1, Number.POSITIVE_INFINITY)) },
    });
    await expect(encode(options({ delta: at("delta.safetensors") }))).rejects.toMatchObject({
      code: "non-finite-value",
      details: { tensor: "second", element: 1 },
    });
  });

  it.each([
    ["of another type", { dtype: "F16", shape: [1], data: Buffer.alloc(2) }, "F16"],
    ["whose shape does not fit its data", { dtype: "F32", shape: [3], data: Buffer.alloc(8) }, "fit"],
  ])("with a tensor %s is refused", async (_, tensor, word) => {
    await safetensors({ tensor });
    await expect(encode(options({ delta: at("delta.safetensors") }))).rejects.toMatchObject({
      code: "invalid-file",
      message: expect.stringContaining(word),
    });
  });
});

describe("inspecting", () => {
  it("says what stands in an object", async () => {
    await write("delta.f32", bell(5000));
    await encode(options({ k: 32 }));
    const inspected = await inspect(at("update"));
    expect(inspected).toMatchObject({ round: 3, shard: 0, k: 32, elements: 5000, chunks: 2, rawElements: 0 });
    expect(inspected.records[0]?.entries).toHaveLength(32);
    const text = inspectedText("U", inspected);
    expect(text).toMatch(
      /^U: SLC1 version 2, \d+ bytes\nshard 0 of round 3, schema [0-9a-f]{16}, k = 32: 48 bytes a record/,
    );
    expect(text).toMatch(/chunk 1: 32 of 904 kept, \d+ at ± [\d.e-]+ and \d+ at ±/);
  });
});

describe("what an object says of itself", () => {
  it("is what it was made with, for any input and k, in whatever shard", () => {
    const codec = loadCodec();
    fc.assert(
      fc.property(oddInput, fc.constantFrom(...KEEP_COUNTS), ({ kind, seed }, k) => {
        const layout = createLayout(
          [
            { name: "a", shape: [5000] },
            { name: "b", shape: [9] },
            { name: "c", shape: [9000] },
          ],
          2,
        );
        const delta = oddValues({ kind, seed, elements: layout.parameters });
        const objects = codec.compressUpdate(
          layout,
          delta,
          new Float32Array(delta.length),
          new Float32Array(delta.length),
          {
            round: 7,
            k,
            beta: 1,
          },
        );
        objects.forEach((bytes, shard) => {
          const own = expectationOf(bytes);
          expect([own.round, own.k, own.shard]).toEqual([7, k, shard]);
          expect(codec.decode(codec.parseShard(bytes, own))).toEqual(
            codec.decode(codec.parseShard(bytes, { layout, shard, round: 7, k })),
          );
        });
      }),
      { numRuns: 20, seed: 1 },
    );
  });

  it("of any bytes is an error or an expectation of their size at most: nothing is allocated by a number in them", () => {
    const codec = loadCodec();
    const layout = createLayout(
      [
        { name: "a", shape: [5000] },
        { name: "b", shape: [9] },
      ],
      9,
    );
    const delta = bell(layout.parameters);
    const [sound = new Uint8Array()] = codec.compressUpdate(
      layout,
      delta,
      new Float32Array(delta.length),
      new Float32Array(delta.length),
      {
        round: 1,
        k: 16,
        beta: 0,
      },
    );
    const changes = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(changes, (some) => {
        const bytes = sound.slice();
        for (const [place, value] of some) bytes[place] = value;
        try {
          const expected = expectationOf(bytes);
          codec.parseShard(bytes, expected);
          expect(shardSizeBytes(expected.layout.shards[expected.shard] as never, expected.k)).toBe(
            bytes.length,
          );
        } catch (error) {
          if (!isOuterloopError(error)) throw error;
        }
      }),
      { numRuns: 500, seed: 1 },
    );
  });
});

it("touches nothing where one of two targets is a folder", async () => {
  await write("delta.f32", bell(100));
  await write("update", [1]);
  await mkdir(at("error-out.f32"));
  await expect(encode(options())).rejects.toMatchObject({ code: "invalid-file" });
  expect(await read("update")).toEqual(Float32Array.of(1));
  expect((await readdir(folder)).toSorted()).toEqual(["delta.f32", "error-out.f32", "update"]);
});

it("leaves nothing behind when it is told to stop", async () => {
  await write("delta.f32", bell(100_000));
  const stop = new AbortController();
  const onProgress = () => stop.abort();
  await expect(
    encode(options(), { signal: stop.signal, onProgress, threads: 1, workingSetBytes: 1 }),
  ).rejects.toThrow("aborted");
  await encode(options({ rawRecords: true }));
  const bare = { elements: 100_000, k: 64 as const };
  await rm(at("error-out.f32"));
  await expect(
    decode({ in: at("update"), out: at("values"), bare }, { signal: AbortSignal.abort() }),
  ).rejects.toThrow("aborted");
  expect((await readdir(folder)).toSorted()).toEqual(["delta.f32", "update"]);
});

it("does not read an object whole whose tensor table cannot fit", async () => {
  await write("delta.f32", bell(100));
  await encode(options());
  const bytes = await readFile(at("update"));
  bytes.writeUInt32LE(0xffffffff, 12);
  await writeFile(at("update"), bytes);
  await expect(decode({ in: at("update"), out: at("values"), bare: undefined })).rejects.toThrow(
    "4294967295 tensor parts do not fit",
  );
});
