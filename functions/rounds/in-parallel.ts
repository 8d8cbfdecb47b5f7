/**
 * Many reads at once, but not all: a store is a network away, and a round may have thousands of peers.
 *
 * @module
 */

/** More than a connection pool has sockets would only queue up there. */
const AT_ONCE = 32;

/**
 * `work` on every item, some at a time; results in the order of the items. After a failure nothing more is begun, and it
 * is thrown once all that had begun has ended: a function that has answered leaves no work behind.
 */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  const remaining = items.entries();
  const failures: unknown[] = [];
  const worker = async () => {
    for (const [at, item] of remaining) {
      if (failures.length > 0) return;
      try {
        results[at] = await work(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
}
