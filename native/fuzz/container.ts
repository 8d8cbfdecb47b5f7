/**
 * Any bytes as SLC1 and `.sla` objects, for so many seconds: sound objects are damaged, cut and mixed, with and without mended
 * checksums. Each is refused with a typed error, or it is sound and means what it says.
 *
 *     node native/fuzz/container.ts SECONDS [SEED]
 *
 * @module
 */
import { createHash } from "node:crypto";
import { isOuterloopError } from "../../schemas/errors.ts";
import { createLayout, KEEP_COUNTS, type KeepCount, loadCodec } from "../codec.ts";
import { crc32c } from "../crc32c.ts";
import { expectationOf } from "../describe.ts";
import { shardOf, shardOffsets } from "../layout.ts";
import { oddValues } from "../testing.ts";

const REFUSALS = new Set([
  "invalid-container",
  "invalid-record",
  "invalid-raw-value",
  "invalid-aggregate",
  "invalid-argument",
]);

const [seconds = 10, seed = 1] = process.argv.slice(2).map(Number);
const codec = loadCodec();
const layout = createLayout(
  [
    { name: "norm", shape: [10] },
    { name: "matrix", shape: [50, 100] },
    { name: "wide", shape: [4100] },
    { name: "bias", shape: [7] },
  ],
  3,
);

interface Sound {
  bytes: Uint8Array;
  k: KeepCount;
  shard: number;
  kind: "update" | "aggregate";
}
const sounds = KEEP_COUNTS.flatMap(soundObjects);

let state = seed | 0;
const random = (limit: number) => {
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
  return ((state ^ (state >>> 13)) >>> 0) % limit;
};

const endMs = performance.now() + 1_000 * seconds;
const counts = { refused: 0, accepted: 0 };
while (performance.now() < endMs) {
  for (let i = 0; i < 256; i++) counts[tried() ? "accepted" : "refused"]++;
}
process.stdout.write(
  `container: ${counts.refused + counts.accepted} executions, ${counts.refused} refused, ${counts.accepted} sound\n`,
);

function soundObjects(k: KeepCount): Sound[] {
  const made = [1, 2].map((one) => {
    const delta = oddValues({ kind: "random", seed: one, elements: layout.parameters });
    const [error, next] = [new Float32Array(delta.length), new Float32Array(delta.length)];
    return codec.compressUpdate(layout, delta, error, next, { round: 1, k, beta: 1 });
  });
  const updates = made.flatMap((objects) =>
    objects.map((bytes, shard): Sound => ({ bytes, k, shard, kind: "update" })),
  );
  const aggregates = layout.shards.map(({ number: shard }): Sound => {
    const entries = made.map((objects, p) => ({
      peer: `${p}`.repeat(64),
      sha256: "0".repeat(64),
      coefficientBits: "3f000000",
      shard: codec.parseShard(objects[shard] ?? new Uint8Array(), { layout, shard, round: 1, k }),
    }));
    const bytes = codec.buildAggregate({ layout, shard, round: 1, k, entries });
    return { bytes, k, shard, kind: "aggregate" };
  });
  return [...updates, ...aggregates];
}

/** One execution; true: it was sound. */
function tried(): boolean {
  const sound = sounds[random(sounds.length)] as Sound;
  const other = sounds[random(sounds.length)] as Sound;
  const bytes = damaged(sound.bytes, other.bytes);
  if (sound.kind === "update" && random(2) === 0) mendChecksums(bytes, sound);
  const expected = { layout, shard: sound.shard, round: 1, k: sound.k };
  try {
    if (sound.kind === "aggregate") {
      const parsed = codec.parseAggregate(bytes, expected);
      const theta = new Float32Array(parsed.shard.elements);
      codec.applyAggregate(parsed, "3f800000", theta, theta, "shard");
    } else {
      const parsed = codec.parseShard(bytes, random(4) === 0 ? expectationOf(bytes) : expected);
      codec.decode(parsed);
    }
    return true;
  } catch (error) {
    if (isOuterloopError(error) && (REFUSALS.has(error.code) || error.code === "non-finite-result"))
      return false;
    process.stderr.write(`an object of ${bytes.length} bytes: ${Buffer.from(bytes).toString("hex")}\n`);
    throw error;
  }
}

function damaged(sound: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = sound.slice();
  for (let times = 1 + random(4); times > 0; times--) {
    const at = random(bytes.length);
    switch (random(5)) {
      case 0:
        bytes[at] = random(256);
        break;
      case 1:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
        break;
      case 2:
        bytes.set(other.subarray(at, Math.min(other.length, at + random(64), bytes.length)), at);
        break;
      case 3:
        bytes.fill([0, 255][random(2)] as number, at, at + random(32));
        break;
      default:
        if (random(8) === 0) return bytes.slice(0, at);
    }
  }
  return bytes;
}

/** As somebody would who wants to be believed. */
function mendChecksums(bytes: Uint8Array, { k, shard }: Sound): void {
  const offsets = shardOffsets(shardOf(layout, shard), k);
  if (bytes.length !== offsets.sizeBytes) return;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (const [i, { start, end }] of offsets.segments.entries()) {
    const at = offsets.segmentTable + 36 * i;
    createHash("sha256").update(bytes.subarray(start, end)).digest().copy(view, at);
    view.writeUInt32LE(crc32c(bytes.subarray(start, end)), at + 32);
  }
  view.writeUInt32LE(crc32c(bytes.subarray(64, offsets.tablesEnd)), 56);
  view.writeUInt32LE(crc32c(bytes.subarray(0, 60)), 60);
}
