/**
 * Many reads at once, but not all: a store is a network away, and a round may have thousands of peers.
 *
 * @module
 */

/** More than a connection pool has sockets would only queue up there. */
const AT_ONCE = 32;

/** `work` on every item, some at a time; results in the order of the items. The first failure ends it. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  const remaining = items.entries();
  const worker = async () => {
    for (const [at, item] of remaining) results[at] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
  return results;
}
