/**
 * What a process opens once for each run and keeps.
 *
 * @module
 */

/** Calls `open` once for each run, however many ask at the same time. A failure is not kept: who comes next tries again. */
export function oncePerRun<T>(open: (run: string) => Promise<T>): (run: string) => Promise<T> {
  const kept = new Map<string, Promise<T>>();
  return (run) => {
    const opened = kept.get(run) ?? open(run);
    kept.set(run, opened);
    opened.catch(() => kept.delete(run));
    return opened;
  };
}
