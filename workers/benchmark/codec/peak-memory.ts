/**
 * `node peak-memory.ts`: compresses a shard of 1 GiB that is read and written by range, and prints by how many MiB that raised the peak
 * of the resident memory of this process. In a process of its own, because a peak is never forgotten.
 *
 * @module
 */
import { CHUNK, createLayout, loadStreams, shardSizeBytes, writeBytes } from "../../../native/codec.ts";

const CHUNKS = 65_536;

async function compress(chunks: number): Promise<void> {
  const layout = createLayout([{ name: "matrix", shape: [chunks, CHUNK] }], chunks);
  const [shard] = layout.shards;
  if (shard === undefined) throw new Error("a layout has a shard");
  const some = Float32Array.from({ length: 1_009 }, (_, i) => Math.sin(i) ** 5);
  const source = {
    elements: shard.elements,
    read(first: number, into: Float32Array) {
      for (let at = 0; at < into.length; at += some.length)
        into.set(some.subarray(0, Math.min(some.length, into.length - at)), at);
      into[first % into.length] = 1;
    },
  };
  const sink = { elements: shard.elements, write: () => {} };
  const object = writeBytes(new Uint8Array(shardSizeBytes(shard, 64)));
  const vectors = { delta: source, error: source, next: sink, beta: 0.95 };
  await loadStreams().compress({ layout, shard: 0, round: 1, k: 64 }, vectors, object);
}

await compress(8);
const beforeMiB = process.memoryUsage().rss / 2 ** 20;
await compress(CHUNKS);
process.stdout.write(`${process.resourceUsage().maxRSS / 1_024 - beforeMiB}\n`);
