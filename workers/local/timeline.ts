/**
 * Where the time of a round went. Decisions carry the store's time; when the last peer had committed and uploaded is
 * what the workers told their parent.
 *
 * @module
 */
import { readFact } from "../../functions/rounds/objects.ts";
import type { RunContext } from "../../functions/rounds/run-context.ts";
import { keys, OuterloopError, type RunResult, toMilliseconds } from "../../schemas/index.ts";
import type { WorkerEvent } from "../peer/events.ts";

export type RoundSeconds = RunResult["rounds"][number]["seconds"];

/** Collects what workers report. */
export class Timeline {
  readonly #last = new Map<string, number>();

  add(event: WorkerEvent): void {
    if (event.kind !== "committed" && event.kind !== "uploaded" && event.kind !== "applied") return;
    const key = `${event.kind} ${event.round}`;
    this.#last.set(key, Math.max(event.at, this.#last.get(key) ?? 0));
  }

  /** When the last peer did this in a round, milliseconds since 1970; undefined: nobody was watching. */
  last(kind: "committed" | "uploaded" | "applied", round: number): number | undefined {
    return this.#last.get(`${kind} ${round}`);
  }
}

/**
 * Seconds of a finished round, from its roster to the next one (to the last peer's outer step, after the last round):
 *
 * - train: until the last commit; upload: until the last upload; check: until the close;
 * - evaluate: until the selection; aggregate: until the manifest;
 * - publish: receipts, ledger, head, every peer's pull and outer step, and the next roster.
 */
export async function roundSeconds(
  context: RunContext,
  timeline: Timeline,
  round: number,
): Promise<RoundSeconds> {
  const at = async (type: "roster" | "cutoff" | "close" | "selection" | "manifest", of = round) => {
    const fact = await readFact(context, type, keys[type](context.run, of));
    return fact === null ? undefined : toMilliseconds(fact.body.asOf);
  };
  const [roster, cutoff, close, selection, manifest, next] = await Promise.all([
    at("roster"),
    at("cutoff"),
    at("close"),
    at("selection"),
    at("manifest"),
    at("roster", round + 1),
  ]);
  if (
    roster === undefined ||
    cutoff === undefined ||
    close === undefined ||
    selection === undefined ||
    manifest === undefined
  ) {
    throw new OuterloopError("missing-fact", `round ${round} is not finished`);
  }
  const within = (value: number | undefined, low: number, high: number) =>
    Math.min(high, Math.max(low, value ?? high));
  const committed = within(timeline.last("committed", round), roster, cutoff);
  const uploaded = within(timeline.last("uploaded", round), committed, close);
  const end = next ?? Math.max(manifest, timeline.last("applied", round) ?? manifest);
  const seconds = (from: number, to: number) => (to - from) / 1_000;
  return {
    train: seconds(roster, committed),
    upload: seconds(committed, uploaded),
    check: seconds(uploaded, close),
    evaluate: seconds(close, selection),
    aggregate: seconds(selection, manifest),
    publish: seconds(manifest, end),
    total: seconds(roster, end),
  };
}
