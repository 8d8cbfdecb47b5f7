/**
 * Several pieces of work at once, and nothing under way any more once they have failed.
 *
 * @module
 */

export interface LanesOptions {
  /** Pieces that may be under way together. */
  lanes: number;
  signal: AbortSignal | undefined;
}

/**
 * Takes pieces as lanes become free. `work` may overlap with that of other lanes; `take` gets results one after the other, in the order
 * of the pieces, before its lane goes on: so no more than `lanes` results wait.
 *
 * @throws what the earliest piece that failed threw, or the signal's reason; by then nothing is under way any more.
 */
export async function inLanes<Piece, Result>(
  pieces: Iterable<Piece>,
  { lanes, signal }: LanesOptions,
  work: (piece: Piece, lane: number) => Promise<Result>,
  take: (piece: Piece, result: Result) => void | Promise<void>,
): Promise<void> {
  const queue = pieces[Symbol.iterator]();
  let number = 0;
  const failures: { number: number; error: unknown }[] = [];
  let turn = Promise.resolve();

  async function runLane(lane: number): Promise<void> {
    while (failures.length === 0) {
      const next = queue.next();
      if (next.done === true) return;
      const own = number++;
      const before = turn;
      const { promise, resolve: endTurn } = Promise.withResolvers<void>();
      turn = promise;
      try {
        signal?.throwIfAborted();
        const result = await work(next.value, lane);
        await before;
        if (failures.length === 0) await take(next.value, result);
      } catch (error) {
        failures.push({ number: own, error });
      } finally {
        endTurn();
      }
    }
  }

  await Promise.all(Array.from({ length: lanes }, (_, lane) => runLane(lane)));
  const [earliest] = failures.sort((a, b) => a.number - b.number);
  if (earliest !== undefined) throw earliest.error;
}

/**
 * The results of all, in order.
 *
 * @throws what the first of them threw, once all have ended.
 */
export async function allEnded<Results extends readonly unknown[]>(
  work: {
    [I in keyof Results]: () => Promise<Results[I]> | Results[I];
  },
): Promise<Results> {
  const ended = await Promise.allSettled(work.map(async (one) => one()));
  for (const one of ended) if (one.status === "rejected") throw one.reason;
  return ended.map((one) => (one as PromiseFulfilledResult<unknown>).value) as unknown as Results;
}
