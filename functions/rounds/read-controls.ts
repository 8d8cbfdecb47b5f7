/**
 * Reads the operator's controls, in order, each signed by all roots.
 *
 * @module
 */
import { control, keys, verifyObject } from "../../schemas/index.ts";
import type { StoredControl } from "../coordinator/controls.ts";
import type { RunContext } from "./run-context.ts";

/** Controls are numbered from 1 without gaps: reading stops at the first that is not there. */
export async function readControls(context: RunContext): Promise<StoredControl[]> {
  const controls: StoredControl[] = [];
  for (let number = 1; ; number++) {
    const key = keys.control(context.run, number);
    const next = await context.cache.through(key, async () => {
      const object = await context.store.get(key);
      if (object === null) return null;
      const signers = { allOf: context.genesis.body.roots };
      const { body } = verifyObject("control", context.run, control, key, object.bytes, signers);
      return { ...body, storedAtMs: object.lastModifiedMs };
    });
    if (next === null) return controls;
    controls.push(next);
  }
}
