/**
 * What the operator has said, and when it stood in the store.
 *
 * @module
 */
import { type Control, type Genesis, hashOf, type RunConfig } from "../../schemas/index.ts";

export class OperatorsWord {
  /** Every configuration that was ever announced, by its hash. */
  readonly configs = new Map<string, RunConfig>();
  changedKeys = false;
  readonly #said: { action: Control["action"]; atMs: number }[] = [];

  constructor({ config }: Genesis) {
    this.configs.set(hashOf(config), config);
  }

  onControl({ action }: Control, atMs: number): void {
    this.#said.push({ action, atMs });
    if (action.kind === "config") this.configs.set(hashOf(action.config), action.config);
    if (action.kind === "keys") this.changedKeys = true;
  }

  /** `byMs`: what was said later does not count. */
  isAborted(round: number, byMs = Number.POSITIVE_INFINITY): boolean {
    return this.#said.some(
      ({ action, atMs }) => action.kind === "abort" && action.round === round && atMs <= byMs,
    );
  }

  /** Since when the run is paused, by a word that nothing has revoked since; null: it is not. */
  pausedAtMs(): number | null {
    const last = this.#said.findLast(({ action }) => action.kind === "pause" || action.kind === "resume");
    return last?.action.kind === "pause" ? last.atMs : null;
  }

  /** When the operator last said that it may go on; null: never. */
  resumedAtMs(): number | null {
    return this.#said.findLast(({ action }) => action.kind === "resume")?.atMs ?? null;
  }
}
