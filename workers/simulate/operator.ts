/**
 * The operator: pauses and resumes, aborts rounds, changes configuration and keys at any moment; resumes in the end.
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
/** How long a pause lasts. */
const PAUSE_MS = { shortest: 5_000, longest: 120_000 };
/** The operator looks after a run that paused by itself. */
const LOOK_MS = 120_000;

export function startOperator(
  around: Surroundings,
  store: ObjectStore,
  { run, config, secrets }: PreparedRun,
  openRound: () => number,
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
    switch (stream.pick(ACTIONS)) {
      case "pause":
        say({ kind: "pause", reason: "simulated" });
        scheduler.after(stream.between(PAUSE_MS.shortest, PAUSE_MS.longest), () => say({ kind: "resume" }));
        return;
      case "abort":
        return say({ kind: "abort", round: openRound(), reason: "simulated" });
      case "config": {
        const windows = { ...config.windows, trainSeconds: stream.between(30, 90) };
        return say({ kind: "config", config: { ...config, windows } });
      }
      case "keys": {
        const evaluators = stream.chance(0.5) ? evaluatorKeys : evaluatorKeys.slice(0, 1);
        return say({
          kind: "keys",
          effectiveFromRound: openRound() + 2,
          keys: {
            coordinator: [secrets.coordinator.publicKey],
            api: [apiKey.publicKey],
            evaluators: evaluators.map(({ publicKey }) => publicKey).sort(),
          },
        });
      }
    }
  };
  const look = () => {
    if (openRound() > config.rounds) return;
    scheduler.after(LOOK_MS, look);
    // Three void rounds in a row pause a run until its operator has looked.
    say({ kind: "resume" });
  };
  scheduler.after(IDEA_MS, idea);
  scheduler.after(LOOK_MS, look);
}
