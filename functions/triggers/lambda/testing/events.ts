/**
 * Events as Lambda hands them to functions, recorded, with the names of a run and a peer left open.
 *
 * @module
 */
import { readFile } from "node:fs/promises";

export type Recorded = "ticks" | "shards" | "schedule" | "http-get" | "http-post-unsigned";

/** Reads an event; `RUN`, `PEER` and `PATH` in it become what is given. */
export async function recorded(name: Recorded, names: Record<string, string> = {}): Promise<unknown> {
  const text = await readFile(new URL(`events/${name}.json`, import.meta.url), "utf8");
  const filled = Object.entries(names).reduce((all, [open, given]) => all.replaceAll(open, given), text);
  return JSON.parse(filled);
}
