/**
 * Many ask at once, one looks: a change of a run wakes everybody who waits for it.
 *
 * @module
 */

/**
 * `look` with at most one at a time for each run. Who asks while one is under way shares the next with all who do: it begins after
 * they asked, so it shows whatever they know of.
 */
export function sharedLook<T>(look: (run: string) => Promise<T>): (run: string) => Promise<T> {
  const last = new Map<string, Promise<T>>();
  const waiting = new Map<string, Promise<T>>();
  return (run) => {
    const shared = waiting.get(run);
    if (shared !== undefined) return shared;
    const begin = () => {
      waiting.delete(run);
      return look(run);
    };
    const next = Promise.resolve(last.get(run)).then(begin, begin);
    waiting.set(run, next);
    last.set(run, next);
    const forget = () => {
      if (last.get(run) === next) last.delete(run);
    };
    next.then(forget, forget);
    return next;
  };
}
