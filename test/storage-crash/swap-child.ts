// Adds its own line to one object that all children share, by compare-and-swap, and says which lines got in.
import { writeSync } from "node:fs";
import { createFileObjectStore } from "../../functions/storage/file-object-store.ts";

const [root = "", name = ""] = process.argv.slice(2);
const store = createFileObjectStore({ root, ticketSecret: "not used here, but long", baseUrl: "" });
for (let index = 0; ; index += 1) {
  const read = await store.get("head");
  const before = read === null ? "" : new TextDecoder().decode(read.bytes);
  const line = `${name} ${index}\n`;
  const swap = await store.compareAndSwap(
    "head",
    new TextEncoder().encode(before + line),
    read?.etag ?? null,
  );
  if (swap.outcome === "swapped") writeSync(1, line);
}
