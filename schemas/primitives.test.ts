import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  f32FromHex,
  f32Hex,
  f32ToHex,
  f64FromHex,
  f64Hex,
  f64ToHex,
  fromHex,
  instant,
  roundNumber,
  runId,
  slug,
  toHex,
  toInstant,
  toMilliseconds,
} from "./primitives.ts";

describe("floats as bits in hex", () => {
  it.each([
    [0, "00000000"],
    [-0, "80000000"],
    [1, "3f800000"],
    [0.95, "3f733333"],
    [2 ** -149, "00000001"],
    [-(2 ** -149), "80000001"],
    [2 ** -126, "00800000"],
    [Number.POSITIVE_INFINITY, "7f800000"],
    [Number.NEGATIVE_INFINITY, "ff800000"],
    [Number.NaN, "7fc00000"],
  ])("of 32 bits: %d is %s", (value, bits) => {
    expect(f32ToHex(value)).toBe(bits);
    expect(Object.is(f32FromHex(bits), Math.fround(value))).toBe(true);
    expect(f32Hex.safeParse(bits).success).toBe(true);
  });

  it.each([
    [0, "0000000000000000"],
    [-0, "8000000000000000"],
    [1, "3ff0000000000000"],
    [Number.MIN_VALUE, "0000000000000001"],
    [Number.MAX_VALUE, "7fefffffffffffff"],
    [Number.NEGATIVE_INFINITY, "fff0000000000000"],
    [Number.NaN, "7ff8000000000000"],
  ])("of 64 bits: %d is %s", (value, bits) => {
    expect(f64ToHex(value)).toBe(bits);
    expect(Object.is(f64FromHex(bits), value)).toBe(true);
    expect(f64Hex.safeParse(bits).success).toBe(true);
  });

  it("come back to the bit", () => {
    fc.assert(
      fc.property(fc.float(), fc.double(), (small, large) => {
        expect(Object.is(f32FromHex(f32ToHex(small)), small)).toBe(true);
        expect(Object.is(f64FromHex(f64ToHex(large)), large)).toBe(true);
        expect(f32ToHex(small)).toMatch(/^[0-9a-f]{8}$/);
        expect(f64ToHex(large)).toMatch(/^[0-9a-f]{16}$/);
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  it("round to float32 once, to the nearest even", () => {
    expect(f32ToHex(0.1)).toBe("3dcccccd");
    expect(f32ToHex(1 + 2 ** -24)).toBe("3f800000");
    expect(f32ToHex(1 + 3 * 2 ** -24)).toBe("3f800002");
  });
});

describe("small types", () => {
  it("bytes travel as lowercase hex", () => {
    const whole = new Uint8Array([9, 0, 255, 16]);
    expect(toHex(whole.subarray(1))).toBe("00ff10");
    expect(fromHex("00ff10")).toEqual(new Uint8Array([0, 255, 16]));
  });

  it("instants are UTC with milliseconds, and nothing else", () => {
    expect(toInstant(0)).toBe("1970-01-01T00:00:00.000Z");
    expect(toMilliseconds("2026-01-31T12:00:00.250Z")).toBe(Date.UTC(2026, 0, 31, 12, 0, 0, 250));
    for (const text of ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000+01:00", "2026-02-30T12:00:00.000Z"])
      expect(instant.safeParse(text).success, text).toBe(false);
  });

  it("rounds are whole numbers from 0", () => {
    expect([-1, 0.5, 100_000_000, 2 ** 53].map((round) => roundNumber.safeParse(round).success)).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  it("a slug is words of small letters and digits", () => {
    for (const text of ["a", "quick-start-1"]) expect(slug.safeParse(text).success, text).toBe(true);
    for (const text of ["", "-a", "a-", "a--b", "A", "a/b", "a\n", "ä", "a".repeat(41)])
      expect(slug.safeParse(text).success, JSON.stringify(text)).toBe(false);
    expect(runId.safeParse(`quick-start-${"0".repeat(32)}`).success).toBe(true);
    expect(runId.safeParse("quick-start").success).toBe(false);
    expect(runId.safeParse(`a/../b-${"0".repeat(32)}`).success).toBe(false);
  });
});
