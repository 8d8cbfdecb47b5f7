/**
 * The runs of a bucket.
 *
 * @module
 */
import { keys, prefixes } from "../../schemas/index.ts";
import type { ObjectStore } from "../storage/object-store.ts";

/** Ids of all runs, oldest first. */
export async function runsOf(store: ObjectStore): Promise<string[]> {
  const runs: { run: string; at: number }[] = [];
  let after: string | undefined;
  // One object a run is enough to see it: jump from run to run instead of listing their rounds.
  for (;;) {
    const page = await store.list("public/", after === undefined ? { limit: 1 } : { after, limit: 1 });
    const [, run] = page.objects[0]?.key.split("/") ?? [];
    if (run === undefined) break;
    const genesis = await store.head(keys.genesis(run));
    if (genesis !== null) runs.push({ run, at: genesis.lastModifiedMs });
    after = `${prefixes.public(run)}\uffff`;
  }
  return runs.sort((a, b) => a.at - b.at || (a.run < b.run ? -1 : 1)).map(({ run }) => run);
}
