/**
 * The operator: pauses, aborts rounds, changes configuration and keys at any moment; looks now and then, and resumes a
 * run that waits for it.
 *
 * @module
 */
import type { ObjectStore } from "../../functions/storage/object-store.ts";
import { type Control, keys, signToBytes, toInstant } from "../../schemas/index.ts";
import { apiKey, evaluatorKeys, type PreparedRun, roots } from "./run.ts";
import type { Surroundings } from "./services.ts";

const ACTIONS = ["pause", "abort", "config", "keys"] as const;
/** How often the operator may have an idea. */
const IDEA_MS = 40_000;
/** How often the operator looks. */
export const LOOK_MS = 120_000;
/** Three void rounds in a row pause a run. */
const MOST_ABORTED_AT_ONCE = 3;

/** What the operator sees of the run. */
export interface RunSeen {
  openRound: () => number;
  waitsForResume: () => Promise<boolean>;
}

export function startOperator(
  around: Surroundings,
  store: ObjectStore,
  { run, config, secrets }: PreparedRun,
  seen: RunSeen,
): void {
  const { scheduler, faults, timeline } = around;
  const stream = faults.stream("operator");
  let number = 0;

  const say = (action: Control["action"]) => {
    number += 1;
    timeline.note("operator", `says ${action.kind}`);
    const body: Control = { number, issuedAt: toInstant(scheduler.nowMs), action };
    void store.putIfAbsent(keys.control(run, number), signToBytes("control", run, body, ...roots));
  };

  const idea = () => {
    scheduler.after(IDEA_MS, idea);
    if (!faults.strikes("operator")) return;
    const open = seen.openRound();
    switch (stream.pick(ACTIONS)) {
      case "pause":
        return say({ kind: "pause", reason: "simulated" });
      case "abort": {
        const until = open + stream.between(1, MOST_ABORTED_AT_ONCE);
        for (let round = open; round < until; round++) say({ kind: "abort", round, reason: "simulated" });
        return;
      }
      case "config": {
        const windows = { ...config.windows, trainSeconds: stream.between(30, 90) };
        return say({ kind: "config", config: { ...config, windows } });
      }
      case "keys": {
        const evaluators = stream.chance(0.5) ? evaluatorKeys : evaluatorKeys.slice(0, 1);
        return say({
          kind: "keys",
          effectiveFromRound: open + 2,
          keys: {
            coordinator: [secrets.coordinator.publicKey],
            api: [apiKey.publicKey],
            evaluators: evaluators.map(({ publicKey }) => publicKey).sort(),
          },
        });
      }
    }
  };
  const look = async () => {
    if (seen.openRound() > config.rounds) return;
    scheduler.after(LOOK_MS, () => void look());
    if (await seen.waitsForResume()) say({ kind: "resume" });
  };
  scheduler.after(IDEA_MS, idea);
  scheduler.after(LOOK_MS, () => void look());
}
