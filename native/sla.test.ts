import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isOuterloopError } from "../schemas/errors.ts";
import { f32ToHex } from "../schemas/primitives.ts";
import {
  type AggregateInput,
  aggregateSizeBytes,
  type Codec,
  type Expected,
  type ParsedShard,
} from "./codec.ts";
import { shardOf } from "./layout.ts";
import { allCodecs, bytesOf, oddValues, smallLayout, submission } from "./testing.ts";

const expected: Expected = { layout: smallLayout, shard: 0, round: 1, k: 16 };
const ALPHA = f32ToHex(1.3);

describe.each(allCodecs)("an exact aggregate, $backend", (codec) => {
  const input = (peers: number, coefficient = (p: number) => 1 / (p + 2)): AggregateInput => ({
    ...expected,
    entries: Array.from({ length: peers }, (_, p) => entry(firstShard(codec, 40 + p), p, coefficient(p))),
  });
  const bytes = codec.buildAggregate(input(3));

  test("reads as what was written, whatever the order of its entries", () => {
    const { entries } = input(3);
    const parsed = codec.parseAggregate(bytes, expected);
    expect(bytes.length).toBe(aggregateSizeBytes(shardOf(smallLayout, 0), 16, 3));
    expect(parsed.entries).toEqual(entries.map(({ shard: _, ...rest }) => rest));
    expect(codec.buildAggregate({ ...expected, entries: entries.toReversed() })).toEqual(bytes);
    expect(codec.parseAggregate(codec.buildAggregate(input(0)), expected).entries).toEqual([]);
  });

  test("applies theta - alpha * sum of coefficient * update, peers ascending", () => {
    const theta = oddValues({ kind: "random", seed: 8, elements: smallLayout.parameters });
    const wanted = theta.slice();
    const { shard } = codec.parseAggregate(bytes, expected);
    const sum = new Float32Array(shard.elements);
    for (const { shard: update, coefficientBits } of input(3).entries) {
      const coefficient = Buffer.from(coefficientBits, "hex").readFloatBE();
      codec.decode(update).forEach((value, i) => {
        sum[i] = (sum[i] ?? 0) + Math.fround(value * coefficient);
      });
    }
    sum.forEach((value, i) => {
      wanted[i] = (wanted[i] ?? 0) - Math.fround(Math.fround(1.3) * value);
    });
    const slice = theta.slice(0, shard.elements);
    const before = theta.slice();
    const next = theta.slice();
    codec.applyAggregate(codec.parseAggregate(bytes, expected), ALPHA, theta, next);
    expect(bytesOf(next)).toEqual(bytesOf(wanted));
    expect(bytesOf(theta)).toEqual(bytesOf(before));
    codec.applyAggregate(codec.parseAggregate(bytes, expected), ALPHA, slice, slice, "shard");
    expect(bytesOf(slice)).toEqual(bytesOf(wanted.subarray(0, shard.elements)));
  });

  test("sums in the order of the peer ids, which the last bits show", () => {
    const shards = [41, 42, 43].map((seed) => firstShard(codec, seed));
    const applied = (order: readonly number[]) => {
      const entries = order.map((from, p) => entry(shards[from] as ParsedShard, p, 1 / 3));
      const theta = new Float32Array(smallLayout.parameters);
      const aggregate = codec.parseAggregate(codec.buildAggregate({ ...expected, entries }), expected);
      codec.applyAggregate(aggregate, ALPHA, theta, theta);
      return bytesOf(theta).toString("hex");
    };
    expect(applied([0, 1, 2])).not.toBe(applied([2, 1, 0]));
  });

  test("leaves theta as it was when one result is not finite", () => {
    const theta = oddValues({ kind: "random", seed: 9, elements: smallLayout.parameters });
    const aggregate = codec.parseAggregate(bytes, expected);
    const { elements } = aggregate.shard;
    for (const element of [elements - 1, 4200, 4]) {
      theta[element] = Infinity;
      const before = theta.slice();
      expect(() => codec.applyAggregate(aggregate, ALPHA, theta, theta.slice())).toThrow(
        expect.objectContaining({ code: "non-finite-result", details: { shard: 0, element } }),
      );
      expect(bytesOf(theta)).toEqual(bytesOf(before));
    }
  });

  test("reports an overflow of the sum", () => {
    const huge = codec.parseAggregate(codec.buildAggregate(input(2, () => 3e38)), expected);
    const theta = new Float32Array(smallLayout.parameters);
    expect(() => codec.applyAggregate(huge, f32ToHex(3e38), theta, theta)).toThrow(
      expect.objectContaining({ code: "non-finite-result" }),
    );
  });

  test("is refused with any header or entry rule broken", () => {
    for (let at = 0; at < 64; at++) expect(refusal(codec, flipped(bytes, at))).toBe("invalid-aggregate");
    const forge = (at: number, ...values: number[]) => {
      const forged = bytes.slice();
      forged.set(values, at);
      return forged;
    };
    const forgeries = {
      "negative coefficient": forge(64 + 67, 0x80),
      "coefficient not a number": forge(64 + 66, 0xc0, 0x7f),
      "bytes that must be zero": forge(64 + 68, 1),
      "peers descending": forge(64, 0xff),
      "a peer twice": forge(64 + 72, ...bytes.subarray(64, 96)),
      "cut by a byte": bytes.slice(0, -1),
      "a byte too many": Uint8Array.of(...bytes, 0),
      "no header": bytes.slice(0, 63),
      empty: new Uint8Array(),
    };
    for (const [name, forged] of Object.entries(forgeries)) {
      expect(refusal(codec, forged), name).toBe("invalid-aggregate");
    }
    expect(refusal(codec, bytes, { ...expected, round: 2 })).toBe("invalid-aggregate");
    expect(refusal(codec, bytes, { ...expected, k: 32 })).toBe("invalid-aggregate");
    expect(refusal(codec, bytes, { ...expected, shard: 1 })).toBe("invalid-aggregate");
  });

  test("is refused with a bad record or raw value", () => {
    const records = 64 + 72 * 3;
    const badRecord = bytes.slice().fill(0xff, records + 4 * 28, records + 5 * 28);
    expect(() => codec.parseAggregate(badRecord, expected)).toThrow(
      expect.objectContaining({
        code: "invalid-record",
        details: expect.objectContaining({ chunk: 1, peer: 1 }),
      }),
    );
    const badRaw = bytes.slice().fill(0xff, -2);
    expect(() => codec.parseAggregate(badRaw, expected)).toThrow(
      expect.objectContaining({ code: "invalid-raw-value", details: { shard: 0, element: 9, peer: 2 } }),
    );
  });

  test("of random bytes never does more than be refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (noise, hasHeader) => {
        const forged = hasHeader ? Uint8Array.of(...bytes.subarray(0, 64), ...noise) : noise;
        expect(refusal(codec, forged)).toMatch(/^invalid-/);
      }),
    );
  });

  test("cannot be built from entries that do not belong together", () => {
    const [good] = input(1).entries;
    if (!good) throw new Error("one entry was made");
    const other = firstShard(codec, 1, 2);
    const secondShard = submission(codec, 1, 16).shards[1] as ParsedShard;
    const wrong = [
      [good, good],
      [{ ...good, peer: "AB" }],
      [{ ...good, sha256: "" }],
      [{ ...good, coefficientBits: "bf800000" }],
      [{ ...good, coefficientBits: "7f800000" }],
      [{ ...good, shard: other }],
      [{ ...good, shard: secondShard }],
    ];
    for (const entries of wrong) {
      expect(() => codec.buildAggregate({ ...expected, entries })).toThrow(
        expect.objectContaining({ code: "invalid-argument" }),
      );
    }
    const aggregate = codec.parseAggregate(bytes, expected);
    const theta = new Float32Array(smallLayout.parameters);
    const next = theta.slice();
    for (const alphaBits of ["7fc00000", "bf800000", "1"]) {
      expect(() => codec.applyAggregate(aggregate, alphaBits, theta, next)).toThrow(
        expect.objectContaining({ code: "invalid-argument" }),
      );
    }
    for (const [from, to] of [
      [theta, next.subarray(1)],
      [theta.subarray(1), theta.subarray(0, -1)],
    ] as const) {
      expect(() => codec.applyAggregate(aggregate, ALPHA, from, to)).toThrow(
        expect.objectContaining({ code: "invalid-argument" }),
      );
    }
  });
});

function firstShard(codec: Codec, seed: number, round = 1): ParsedShard {
  return submission(codec, seed, 16, round).shards[0] as ParsedShard;
}

function entry(shard: ParsedShard, peer: number, coefficient: number): AggregateInput["entries"][number] {
  const id = (peer + 16).toString(16).repeat(32);
  return { peer: id, sha256: id.replaceAll("1", "a"), coefficientBits: f32ToHex(coefficient), shard };
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}

/** The code an aggregate is refused with; anything but a typed error fails the test. */
function refusal(codec: Codec, bytes: Uint8Array, wanted = expected): string {
  try {
    codec.parseAggregate(bytes, wanted);
    return "accepted";
  } catch (error) {
    if (isOuterloopError(error)) return error.code;
    throw error;
  }
}
