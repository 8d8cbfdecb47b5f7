import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CHUNK, createLayout, type ShardLayout, shardSizeBytes } from "./codec.ts";

/** The quick start's model: 420 k parameters, most of them in matrices of whole chunks. */
const quickStart = [
  { name: "embedding", shape: [1024, 96] },
  ...["0", "1", "2"].flatMap((layer) => [
    { name: `${layer}.norm`, shape: [96] },
    { name: `${layer}.attention`, shape: [384, 96] },
    { name: `${layer}.feedForward`, shape: [768, 96] },
  ]),
  { name: "norm", shape: [96] },
];

const models = fc.tuple(
  fc.array(fc.oneof(fc.integer({ min: 1, max: 4095 }), fc.integer({ min: 4096, max: 60_000 })), {
    minLength: 1,
    maxLength: 12,
  }),
  fc.integer({ min: 1, max: 9 }),
);

describe("a layout", () => {
  test("covers every element exactly once, in order, by contiguous shards", () => {
    fc.assert(
      fc.property(models, ([sizes, chunksPerShard]) => {
        const tensors = sizes.map((size, i) => ({ name: `t${i}`, shape: [size] }));
        const layout = createLayout(tensors, chunksPerShard);
        let next = 0;
        layout.shards.forEach((shard, number) => {
          expect(shard).toMatchObject({ number, first: next });
          expect(shard.chunks).toBeLessThanOrEqual(chunksPerShard);
          for (const part of shard.parts) {
            expect(part.first).toBe(next);
            expect(part.raw).toBe((sizes[part.tensor] ?? 0) < CHUNK);
            next += part.elements;
          }
          expect(shard.first + shard.elements).toBe(next);
          expect(total(shard, (part) => part.chunks)).toBe(shard.chunks);
          expect(total(shard, (part) => (part.raw ? part.elements : 0))).toBe(shard.rawElements);
        });
        expect(next).toBe(layout.parameters);
        expect(layout.parameters).toBe(sizes.reduce((sum, size) => sum + size, 0));
      }),
    );
  });

  test("fills each shard before it opens the next, and raw tensors never open one", () => {
    const layout = createLayout(
      [
        { name: "a", shape: [2, CHUNK] },
        { name: "norm", shape: [8] },
        { name: "b", shape: [CHUNK + 1] },
      ],
      2,
    );
    expect(layout.shards.map(({ chunks, rawElements }) => [chunks, rawElements])).toEqual([
      [2, 8],
      [2, 0],
    ]);
  });

  test("makes the quick start's update more than a hundred times smaller than dense float32", () => {
    const layout = createLayout(quickStart, 40);
    const sizeBytes = layout.shards.reduce((sum, shard) => sum + shardSizeBytes(shard, 64), 0);
    expect((4 * layout.parameters) / sizeBytes).toBeGreaterThan(100);
  });

  test("has a schema digest that depends on names, shapes and their order", () => {
    const digest = (...tensors: { name: string; shape: number[] }[]) => createLayout(tensors, 1).schemaDigest;
    const a = { name: "a", shape: [2, 3] };
    const b = { name: "b", shape: [6] };
    const digests = [
      digest(a, b),
      digest(b, a),
      digest(a),
      digest({ ...a, shape: [3, 2] }),
      digest({ ...a, name: "ä" }),
    ];
    expect(new Set(digests).size).toBe(digests.length);
    expect(digest(b)).toBe("e1775444ab8518bb4b67a6afc512f9b46928df382bddd7e26d56a9f4919f2434");
  });

  test.each([
    ["no tensors", [], 1],
    [
      "a repeated name",
      [
        { name: "a", shape: [1] },
        { name: "a", shape: [2] },
      ],
      1,
    ],
    ["an empty dimension", [{ name: "a", shape: [4, 0] }], 1],
    ["a fraction", [{ name: "a", shape: [1.5] }], 1],
    ["no shape", [{ name: "a", shape: [] }], 1],
    ["too many elements", [{ name: "a", shape: [2 ** 30, 2 ** 30] }], 1],
    ["no room in a shard", [{ name: "a", shape: [1] }], 0],
    ["more shards than a u16 counts", [{ name: "a", shape: [65_537, CHUNK] }], 1],
  ])("refuses %s", (_, tensors, chunksPerShard) => {
    expect(() => createLayout(tensors, chunksPerShard)).toThrow(
      expect.objectContaining({ code: "invalid-layout" }),
    );
  });
});

function total(shard: ShardLayout, size: (part: ShardLayout["parts"][number]) => number): number {
  return shard.parts.reduce((sum, part) => sum + size(part), 0);
}
