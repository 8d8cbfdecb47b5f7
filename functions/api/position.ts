/**
 * Where a run is: what peers ask for all the time.
 *
 * @module
 */
import { keys, type Position, positionTag } from "../../schemas/index.ts";
import { readFact } from "../rounds/objects.ts";
import { readableHead } from "../rounds/publish.ts";
import type { ApiEnvironment } from "./environment.ts";
import { sharedLook } from "./shared-look.ts";

export interface Positions {
  /**
   * From the head, which is moved after receipts and ledger stand: whoever sees a new round finds them.
   */
  now(run: string): Promise<Position>;
  /** The position; as long as it is the one seen already, after the next change or a while, whichever comes first. */
  next(run: string, seen: string | undefined, client: AbortSignal): Promise<Position>;
}

export function createPositions(environment: ApiEnvironment): Positions {
  const now = sharedLook((run) => lookAt(environment, run));
  return {
    now,
    async next(run, seen, client) {
      const giveUpAt = Date.now() + 1_000 * environment.holdSeconds;
      for (;;) {
        // Listening begins before the look, so that no change falls between the two.
        const { promise: changed, resolve } = Promise.withResolvers<void>();
        const unsubscribe = environment.onChange(run, resolve);
        const timer = setTimeout(resolve, Math.max(0, giveUpAt - Date.now()));
        client.addEventListener("abort", () => resolve(), { once: true });
        try {
          const position = await now(run);
          if (positionTag(position) !== seen || Date.now() >= giveUpAt || client.aborted) return position;
          await changed;
        } finally {
          clearTimeout(timer);
          unsubscribe();
        }
      }
    },
  };
}

async function lookAt(environment: ApiEnvironment, run: string): Promise<Position> {
  const context = await environment.run(run);
  const object = await context.store.get(keys.head(run));
  const head = object === null ? null : readableHead(context, object.bytes);
  const round = head?.round ?? 1;
  return {
    round,
    manifest: head?.manifest ?? context.genesis.hash,
    rosterStands: (await readFact(context, "roster", keys.roster(run, round))) !== null,
    finished: head?.finished ?? false,
    pollAfterSeconds: environment.pollAfterSeconds,
  };
}
