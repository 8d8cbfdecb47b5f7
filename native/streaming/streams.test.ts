import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { isOuterloopError } from "../../schemas/errors.ts";
import { f32ToHex } from "../../schemas/primitives.ts";
import {
  type Codec,
  createLayout,
  KEEP_COUNTS,
  type KeepCount,
  loadStreams,
  shardSizeBytes,
} from "../codec.ts";
import { CHUNKS_PER_SEGMENT, shardOf } from "../layout.ts";
import { allCodecs, allStreams, bytesOf, oddValues, smallLayout, submission } from "../testing.ts";
import { inLanes } from "./lanes.ts";
import {
  readBytes,
  type Source,
  type StreamOptions,
  type Streams,
  sharedVector,
  writeBytes,
} from "./streams.ts";

const ALPHA = f32ToHex(1.3);
const both = allStreams.map((streams, i) => ({ streams, codec: allCodecs[i] as Codec }));
/** Pieces of one chunk, so that even little shards have many. */
const tiny = { threads: 3, workingSetBytes: 1 };
const shards = smallLayout.shards.map(({ number }) => number);
const keeps = fc.constantFrom(...KEEP_COUNTS);
const manner = fc.constantFrom("shared", "own", "by range");
type Manner = "shared" | "own" | "by range";

/** A vector as the streams may get it; `by range` answers late, the first piece last. */
function given(vector: Float32Array, as: Manner): Float32Array | Source {
  if (as === "own") return vector.slice();
  if (as === "shared") return shared(vector);
  return {
    elements: vector.length,
    async read(first, into) {
      await later(first === 0 ? 5 : 1);
      into.set(vector.subarray(first, first + into.length));
    },
  };
}

function shared(vector: Float32Array): Float32Array {
  const copy = sharedVector(vector.length);
  copy.set(vector);
  return copy;
}

/** A place for results, and what is in it. */
function place(elements: number, as: Manner) {
  const vector = as === "shared" ? sharedVector(elements) : new Float32Array(elements);
  if (as !== "by range") return { to: vector, read: () => vector };
  const write = async (first: number, from: Float32Array) => {
    await later(1);
    vector.set(from, first);
  };
  return { to: { elements, write }, read: () => vector };
}

async function later(turns: number): Promise<void> {
  for (; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
}

describe.each(both)("streams, $streams.backend", ({ streams, codec }) => {
  test("compress to the bytes of the codec, from and to anywhere, in pieces of any size", async () => {
    const property = fc.asyncProperty(
      fc.integer(),
      keeps,
      manner,
      fc.integer({ min: 1, max: 4 }),
      fc.boolean(),
      check,
    );
    await fc.assert(property, { numRuns: 30 });

    async function check(seed: number, k: KeepCount, as: Manner, threads: number, small: boolean) {
      const elements = smallLayout.parameters;
      const delta = oddValues({ kind: "random", seed, elements });
      const error = oddValues({ kind: "ties", seed: ~seed, elements });
      const next = new Float32Array(elements);
      const wanted = codec.compressUpdate(smallLayout, delta, error, next, { round: 1, k, beta: 0.95 });
      for (const number of shards) {
        const shard = shardOf(smallLayout, number);
        const range = (vector: Float32Array) => vector.subarray(shard.first, shard.first + shard.elements);
        const result = place(shard.elements, as);
        const object = new Uint8Array(shardSizeBytes(shard, k));
        const progress = vi.fn();
        await streams.compress(
          { layout: smallLayout, shard: number, round: 1, k },
          {
            delta: given(range(delta), as),
            error: given(range(error), as) as Float32Array,
            next: result.to,
            beta: 0.95,
          },
          writeBytes(object),
          { threads, ...(small ? { workingSetBytes: 1 } : {}), onProgress: progress },
        );
        expect(bytesOf(object).equals(bytesOf(wanted[number] as Uint8Array))).toBe(true);
        expect(bytesOf(result.read()).equals(bytesOf(range(next)))).toBe(true);
        expect(progress).toHaveBeenLastCalledWith(shard.elements, shard.elements);
      }
    }
  });

  test("name the lowest element that is not finite, whichever thread meets it first", async () => {
    const shard = shardOf(smallLayout, 0);
    const object = writeBytes(new Uint8Array(shardSizeBytes(shard, 16)));
    for (const bad of [[5], [3, 4200], [4300, 8000], [shard.elements - 1]]) {
      const delta = sharedVector(shard.elements);
      for (const element of bad) delta[element] = Number.NaN;
      const ends = {
        delta,
        error: sharedVector(shard.elements),
        next: sharedVector(shard.elements),
        beta: 1,
      };
      const work = streams.compress({ layout: smallLayout, shard: 0, round: 1, k: 16 }, ends, object, tiny);
      await expect(work).rejects.toMatchObject({
        code: "non-finite-value",
        details: { element: bad[0], cause: "delta" },
      });
    }
  });

  test("decode what the codec decodes, and refuse what it refuses, by the same words", async () => {
    const { bytes } = submission(codec, 5, 16);
    const expected = { layout: smallLayout, shard: 0, round: 1, k: 16 as const };
    const sound = bytes[0] as Uint8Array;
    const { elements } = shardOf(smallLayout, 0);
    const read = async (object: Uint8Array) => {
      const { to, read } = place(elements, "by range");
      await streams.decode(readBytes(object), expected, to as never, tiny);
      return read();
    };
    expect(bytesOf(await read(sound))).toEqual(bytesOf(codec.decode(codec.parseShard(sound, expected))));
    for (let at = 0; at < sound.length; at += 7) {
      const damaged = sound.slice();
      damaged[at] = (damaged[at] as number) ^ 1;
      const wanted = refusal(() => codec.parseShard(damaged, expected));
      await expect(read(damaged)).rejects.toMatchObject({ message: wanted });
    }
    const short = sound.subarray(0, -1);
    await expect(read(short)).rejects.toMatchObject({
      message: refusal(() => codec.parseShard(short, expected)),
    });
  });

  test("write the aggregate that the codec builds, and apply it as it does", async () => {
    const property = fc.asyncProperty(keeps, fc.integer({ min: 0, max: 4 }), manner, check);
    await fc.assert(property, { numRuns: 15 });

    async function check(k: KeepCount, peers: number, as: Manner) {
      const theta = oddValues({ kind: "random", seed: 3, elements: smallLayout.parameters });
      for (const shard of shards) {
        const expected = { layout: smallLayout, shard, round: 1, k };
        const entries = Array.from({ length: peers }, (_, p) => entryOf(codec, p, k, shard));
        const wanted = codec.buildAggregate({ ...expected, entries });
        const written = new Uint8Array(wanted.length);
        const sources = entries.map(({ bytes, ...entry }) => ({ ...entry, object: readBytes(bytes) }));
        const hash = await streams.aggregate(expected, sources.toReversed(), writeBytes(written), tiny);
        expect(bytesOf(written).equals(bytesOf(wanted))).toBe(true);
        expect(hash).toEqual(createHash("sha256").update(wanted).digest());

        const shape = shardOf(smallLayout, shard);
        const own = theta.slice(shape.first, shape.first + shape.elements);
        const after = own.slice();
        codec.applyAggregate(codec.parseAggregate(wanted, expected), ALPHA, own, after, "shard");
        const result = place(shape.elements, as);
        const ends = { theta: given(own, as), next: result.to, alphaBits: ALPHA };
        expect(await streams.apply(expected, readBytes(wanted), ends, tiny)).toEqual(hash);
        expect(bytesOf(result.read()).equals(bytesOf(after))).toBe(true);
        const inPlace = shared(own);
        const same = { theta: inPlace, next: inPlace.subarray(0), alphaBits: ALPHA };
        await streams.apply(expected, readBytes(wanted), same, tiny);
        expect(bytesOf(inPlace).equals(bytesOf(after))).toBe(true);
      }
    }
  });

  test("refuse an aggregate, a source or a result that is no good", async () => {
    const expected = { layout: smallLayout, shard: 0, round: 1, k: 16 as const };
    const { elements } = shardOf(smallLayout, 0);
    const { bytes, ...entry } = entryOf(codec, 0, 16, 0);
    const aggregate = codec.buildAggregate({ ...expected, entries: [entry] });
    const apply = (object: Uint8Array, theta = new Float32Array(elements)) =>
      streams.apply(expected, readBytes(object), { theta, next: theta.slice(), alphaBits: ALPHA }, tiny);
    for (let at = 0; at < aggregate.length; at += 3) {
      const damaged = aggregate.slice();
      damaged[at] = (damaged[at] as number) ^ 0x80;
      const wanted = refusal(() => codec.parseAggregate(damaged, expected));
      if (wanted === "none") await apply(damaged);
      else await expect(apply(damaged)).rejects.toMatchObject({ message: wanted });
    }
    await expect(apply(aggregate.subarray(0, 10))).rejects.toMatchObject({ code: "invalid-aggregate" });
    const theta = new Float32Array(elements);
    theta[4200] = theta[7] = Number.POSITIVE_INFINITY;
    await expect(apply(aggregate, theta)).rejects.toMatchObject({
      code: "non-finite-result",
      details: { element: 7 },
    });
    const damaged = bytes.slice();
    damaged[bytes.length - 1] = (damaged.at(-1) as number) ^ 1;
    const build = streams.aggregate(
      expected,
      [{ ...entry, object: readBytes(damaged) }],
      { write: () => {} },
      tiny,
    );
    await expect(build).rejects.toMatchObject({ code: "invalid-container" });
  });

  test("make a sum sparse again: what is sent and what is kept is the sum and what was kept before", async () => {
    for (const shard of shards) {
      const shape = shardOf(smallLayout, shard);
      const entries = [2, 0, 1].map((p) => entryOf(codec, p, 32, shard));
      const before = oddValues({ kind: "random", seed: 1, elements: shape.elements });
      const next = sharedVector(shape.elements);
      const expected = { layout: smallLayout, shard, round: 1, k: 64 as const };
      const object = new Uint8Array(shardSizeBytes(shape, 64));
      await streams.resparsify(expected, entries, { error: before, next }, writeBytes(object), tiny);

      const sum = new Float32Array(shape.elements);
      for (const { shard: update, coefficientBits } of entries.toSorted((a, b) => (a.peer < b.peer ? -1 : 1)))
        codec.addScaled(update, Buffer.from(coefficientBits, "hex").readFloatBE(), sum, "shard");
      const one = createLayout([{ name: "sum", shape: [shape.elements] }], 10);
      if (shape.rawElements === 0 && shape.parts.length === 1) {
        const wantedNext = new Float32Array(shape.elements);
        const [wanted] = codec.compressUpdate(one, sum, before, wantedNext, { round: 1, k: 64, beta: 1 });
        expect(bytesOf(next)).toEqual(bytesOf(wantedNext));
        expect(bytesOf(object).subarray(-84)).toEqual(bytesOf(wanted as Uint8Array).subarray(-84));
      }
      const parsed = codec.parseShard(object, expected);
      const left = next.slice();
      codec.addScaled(parsed, 1, left, "shard");
      left.forEach((value, i) => {
        expect(value).toBeCloseTo((sum[i] as number) + (before[i] as number), 5);
      });
      // Applied like any other aggregate.
      const entry = {
        peer: "0".repeat(64),
        sha256: "0".repeat(64),
        coefficientBits: f32ToHex(1),
        shard: parsed,
      };
      const aggregate = codec.parseAggregate(
        codec.buildAggregate({ ...expected, entries: [entry] }),
        expected,
      );
      const theta = new Float32Array(shape.elements);
      codec.applyAggregate(aggregate, f32ToHex(1), theta, theta, "shard");
      const values = codec.decode(parsed);
      theta.forEach((value, i) => {
        expect(value).toBe(0 - (values[i] as number));
      });
    }
  });

  test("stop when they are told to, and leave nothing under way", async () => {
    const shard = shardOf(smallLayout, 0);
    const stop = new AbortController();
    const reason = new Error("enough");
    let underWay = 0;
    const delta: Source = {
      elements: shard.elements,
      async read() {
        underWay++;
        stop.abort(reason);
        await later(3);
        underWay--;
      },
    };
    const ends = { delta, error: sharedVector(shard.elements), next: sharedVector(shard.elements), beta: 1 };
    const object = writeBytes(new Uint8Array(shardSizeBytes(shard, 16)));
    const options = { ...tiny, signal: stop.signal };
    const work = streams.compress({ layout: smallLayout, shard: 0, round: 1, k: 16 }, ends, object, options);
    await expect(work).rejects.toBe(reason);
    expect(underWay).toBe(0);
  });

  test("say so when an array is detached under them", async () => {
    const shard = shardOf(smallLayout, 0);
    for (const name of ["delta", "error", "next"] as const) {
      const vectors = {
        delta: new Float32Array(shard.elements),
        error: new Float32Array(shard.elements),
        next: new Float32Array(shard.elements),
      };
      const object = writeBytes(new Uint8Array(shardSizeBytes(shard, 16)));
      const onProgress = () => {
        if (vectors[name].length > 0) structuredClone(vectors[name], { transfer: [vectors[name].buffer] });
      };
      const work = streams.compress(
        { layout: smallLayout, shard: 0, round: 1, k: 16 },
        { ...vectors, beta: 1 },
        object,
        { threads: 1, workingSetBytes: 1, onProgress },
      );
      await expect(work).rejects.toMatchObject({
        code: "invalid-argument",
        message: `${name} has 0 elements, expected ${shard.elements}`,
      });
    }
  });

  test("have nothing under way once an end has failed, and no rejection left over", async () => {
    const shard = shardOf(smallLayout, 0);
    let underWay = 0;
    const delta: Source = {
      elements: shard.elements,
      async read() {
        underWay++;
        await later(5);
        underWay--;
        throw new Error("no delta");
      },
    };
    const error: Source = {
      elements: shard.elements,
      read() {
        throw new Error("no error state");
      },
    };
    const object = writeBytes(new Uint8Array(shardSizeBytes(shard, 16)));
    const ends = { delta, error, next: new Float32Array(shard.elements), beta: 1 };
    const work = streams.compress({ layout: smallLayout, shard: 0, round: 1, k: 16 }, ends, object, tiny);
    await expect(work).rejects.toThrow("no delta");
    expect(underWay).toBe(0);
  });

  test("do not begin with a signal that is aborted, or with room that is none", async () => {
    const shard = shardOf(smallLayout, 0);
    const vector = () => new Float32Array(shard.elements);
    const write = vi.fn();
    const reason = new Error("before");
    const compress = (options: StreamOptions) =>
      streams.compress(
        { layout: smallLayout, shard: 0, round: 1, k: 16 },
        { delta: vector(), error: vector(), next: vector(), beta: 1 },
        { write },
        options,
      );
    await expect(compress({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    for (const threads of [Number.NaN, 0, 1.5, Number.POSITIVE_INFINITY])
      await expect(compress({ threads })).rejects.toMatchObject({ code: "invalid-argument" });
    for (const workingSetBytes of [Number.NaN, 0, Number.POSITIVE_INFINITY])
      await expect(compress({ workingSetBytes })).rejects.toMatchObject({ code: "invalid-argument" });
    expect(write).not.toHaveBeenCalled();
  });

  test("refuse what is no submission of the shard and round that is made sparse again", async () => {
    const entry = entryOf(codec, 1, 16, 0);
    const elements = shardOf(smallLayout, 0).elements;
    const ends = { error: new Float32Array(elements), next: new Float32Array(elements) };
    const object = writeBytes(new Uint8Array(shardSizeBytes(shardOf(smallLayout, 0), 64)));
    for (const shard of [
      { ...entry.shard, round: 9 },
      entryOf(codec, 1, 16, 1).shard,
      { ...entry.shard, layout: createLayout([{ name: "other", shape: [elements] }], 40) },
    ])
      await expect(
        streams.resparsify(
          { layout: smallLayout, shard: 0, round: 1, k: 64 },
          [{ ...entry, shard }],
          ends,
          object,
        ),
      ).rejects.toMatchObject({ code: "invalid-argument" });
  });

  test("refuse parameters of two types", async () => {
    const entry = entryOf(codec, 1, 16, 0);
    const expected = { layout: smallLayout, shard: 0, round: 1, k: 16 as const };
    const bytes = codec.buildAggregate({ ...expected, entries: [entry] });
    const { elements } = shardOf(smallLayout, 0);
    const vectors = {
      theta: sharedVector(elements),
      next: new Uint16Array(new SharedArrayBuffer(2 * elements)),
    };
    await expect(
      streams.apply(expected, readBytes(bytes), { ...vectors, alphaBits: ALPHA }),
    ).rejects.toMatchObject({ code: "invalid-argument" });
    expect(() =>
      codec.applyAggregate(
        codec.parseAggregate(bytes, expected),
        ALPHA,
        vectors.theta,
        vectors.next,
        "shard",
      ),
    ).toThrow("one type");
  });

  test("refuse vectors of another length, and bfloat16 that can be taken away", async () => {
    const shard = shardOf(smallLayout, 0);
    const vector = () => new Float32Array(shard.elements);
    const both = sharedVector(shard.elements);
    const own = new Float32Array(shard.elements + 4096);
    const compress = (changes: Partial<Parameters<Streams["compress"]>[1]>) =>
      streams.compress(
        { layout: smallLayout, shard: 0, round: 1, k: 16 },
        { delta: vector(), error: vector(), next: vector(), beta: 1, ...changes },
        writeBytes(new Uint8Array(shardSizeBytes(shard, 16))),
      );
    const wrong = [
      { delta: new Float32Array(3) },
      { error: { elements: 3, read: () => {} } },
      { next: new Float32Array(3) },
      { delta: new Uint16Array(shard.elements) },
      { beta: 2 },
      { error: both, next: both },
      { delta: both, next: both },
      { error: own.subarray(0, shard.elements), next: own.subarray(4096, 4096 + shard.elements) },
    ];
    for (const changes of wrong)
      await expect(compress(changes)).rejects.toMatchObject({ code: "invalid-argument" });
  });

  test.skipIf(streams.backend === "reference")("cross the border of a segment", async () => {
    const layout = createLayout(
      [
        { name: "a", shape: [3, 4096] },
        { name: "b", shape: [CHUNKS_PER_SEGMENT, 4096] },
      ],
      CHUNKS_PER_SEGMENT + 3,
    );
    const delta = sharedVector(layout.parameters);
    for (let i = 0; i < delta.length; i += 997) delta[i] = (i % 4099) - 2048;
    const none = new Float32Array(layout.parameters);
    const next = new Float32Array(layout.parameters);
    const expected = { layout, shard: 0, round: 1, k: 16 as const };
    const [wanted = new Uint8Array()] = codec.compressUpdate(layout, delta, none, next, {
      round: 1,
      k: 16,
      beta: 1,
    });
    const object = new Uint8Array(wanted.length);
    await streams.compress(expected, { delta, error: none, next: next.slice(), beta: 1 }, writeBytes(object));
    expect(bytesOf(object).equals(bytesOf(wanted))).toBe(true);
    const values = sharedVector(layout.parameters);
    const write = (first: number, from: Float32Array) => values.set(from, first);
    await streams.decode(readBytes(object), expected, { elements: values.length, write });
    expect(bytesOf(values).equals(bytesOf(codec.decode(codec.parseShard(object, expected))))).toBe(true);
  });
});

test("lanes: results in order, the earliest failure, nothing started after one", async () => {
  const taken: number[] = [];
  await inLanes([3, 1, 2, 0, 5], { lanes: 3, signal: undefined }, later, (piece) => void taken.push(piece));
  expect(taken).toEqual([3, 1, 2, 0, 5]);
  const started: number[] = [];
  const work = inLanes(
    [9, 1, 1, 1, 1, 1],
    { lanes: 2, signal: undefined },
    async (turns) => {
      started.push(turns);
      await later(turns);
      throw new Error(`after ${turns}`);
    },
    () => {},
  );
  await expect(work).rejects.toThrow("after 9");
  expect(started).toEqual([9, 1]);
});

test("in the foreground all is done before the event loop turns", async () => {
  const shard = shardOf(smallLayout, 0);
  const vector = () => new Float32Array(shard.elements).fill(1);
  const work = loadStreams({ foreground: true }).compress(
    { layout: smallLayout, shard: 0, round: 1, k: 16 },
    { delta: vector(), error: vector(), next: vector(), beta: 1 },
    writeBytes(new Uint8Array(shardSizeBytes(shard, 16))),
    tiny,
  );
  const first = await Promise.race([work.then(() => "work"), later(1).then(() => "turn")]);
  expect(first).toBe("work");
});

function entryOf(codec: Codec, peer: number, k: KeepCount, shard: number) {
  const { bytes, shards: parsed } = submission(codec, 50 + peer, k);
  const own = bytes[shard] as Uint8Array;
  return {
    peer: (peer + 16).toString(16).repeat(32),
    sha256: createHash("sha256").update(own).digest("hex"),
    coefficientBits: f32ToHex(1 / (peer + 3)),
    shard: parsed[shard] as (typeof parsed)[number],
    bytes: own,
  };
}

/** The message of a typed error; "none": there was no error. */
function refusal(work: () => unknown): string {
  try {
    work();
    return "none";
  } catch (error) {
    if (isOuterloopError(error)) return error.message;
    throw error;
  }
}
