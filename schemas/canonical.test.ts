import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { canonicalBytes, hashOf, parseCanonical, sha256 } from "./canonical.ts";
import { isOuterloopError } from "./errors.ts";

const schema = z.strictObject({ a: z.number(), b: z.string().optional(), c: z.unknown().optional() });
const bytesOf = (text: string) => new TextEncoder().encode(text);
const parse = (bytes: Uint8Array) => parseCanonical(schema, bytes, "a test object");

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return isOuterloopError(error) ? error.code : String(error);
  }
  return "accepted";
}

describe("canonical JSON", () => {
  it.each([
    ["integers", '{"a":1}'],
    ["keys in order of their UTF-16 units", '{"a":1,"b":"x"}'],
    ["numbers as ECMAScript writes them", '{"a":1e+30}'],
    ["the largest safe integer", '{"a":9007199254740991}'],
    ["text outside the basic plane", '{"a":1,"b":"👍é"}'],
    ["nested values", '{"a":1,"c":{"x":[],"y":{}}}'],
  ])("accepts %s", (_, text) => {
    expect(parse(bytesOf(text))).toEqual(JSON.parse(text));
  });

  it.each([
    ["a key given twice", '{"a":1,"a":1}'],
    ["a key given twice with two values", '{"a":2,"a":1}'],
    ["2^53 + 1, which no reader of doubles can hold", '{"a":9007199254740993}'],
    ["minus zero", '{"a":-0}'],
    ["a space", '{"a": 1}'],
    ["a line feed at the end", '{"a":1}\n'],
    ["keys in another order", '{"b":"x","a":1}'],
    ["a nested key in another order", '{"a":1,"c":{"y":1,"x":2}}'],
    ["a fraction of nothing", '{"a":1.0}'],
    ["an exponent that is not needed", '{"a":1e0}'],
    ["an escape that is not needed", '{"a":1,"b":"\\u0041"}'],
    ["an escaped slash", '{"a":1,"b":"\\/"}'],
  ])("refuses %s as not canonical", (_, text) => {
    expect(codeOf(() => parse(bytesOf(text)))).toBe("not-canonical");
  });

  it.each([
    ["a byte order mark", new Uint8Array([0xef, 0xbb, 0xbf, ...bytesOf('{"a":1}')])],
    ["UTF-8 that is not valid", new Uint8Array([...bytesOf('{"a":1,"b":"'), 0xc0, 0xaf, ...bytesOf('"}')])],
    [
      "a surrogate coded in UTF-8",
      new Uint8Array([...bytesOf('{"a":1,"b":"'), 0xed, 0xa0, 0x80, 0x22, 0x7d]),
    ],
    ["nothing", new Uint8Array()],
    ["half an object", bytesOf('{"a":1')],
    ["two objects", bytesOf('{"a":1}{"a":1}')],
    ["a number that JSON does not know", bytesOf('{"a":NaN}')],
    ["a key that the schema does not name", bytesOf('{"a":1,"z":1}')],
    ["a prototype", bytesOf('{"__proto__":{"a":1},"a":1}')],
    ["another type than the schema says", bytesOf('{"a":"1"}')],
    ["a number that overflows", bytesOf('{"a":1e999}')],
  ])("refuses %s as malformed", (_, bytes) => {
    expect(codeOf(() => parse(bytes))).toBe("malformed");
  });

  it("has no form for a lone surrogate: two readers could disagree on its bytes", () => {
    expect(codeOf(() => parse(bytesOf('{"a":1,"b":"\\ud800"}')))).not.toBe("accepted");
  });

  it("has no form for what is not JSON", () => {
    expect(codeOf(() => canonicalBytes(undefined))).toBe("not-json");
    expect(() => canonicalBytes({ a: Number.NaN })).toThrow();
    expect(() => canonicalBytes({ a: Number.POSITIVE_INFINITY })).toThrow();
  });

  it("is one form a value: what was written is accepted, whatever order the writer had", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string({ unit: "grapheme" }), (c, b) => {
        const bytes = canonicalBytes({ c, b, a: 1 });
        expect(Buffer.from(canonicalBytes({ a: 1, b, c }))).toEqual(Buffer.from(bytes));
        expect(Buffer.from(canonicalBytes(parse(bytes)))).toEqual(Buffer.from(bytes));
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it("names an object by the hash of its canonical bytes", () => {
    expect(hashOf({ b: 2, a: 1 })).toBe(sha256(bytesOf('{"a":1,"b":2}')));
    expect(hashOf({ b: 2, a: 1 })).toBe("43258cff783fe7036d8a43033f830adfc60ec037382473548ac742b888292777");
  });
});
