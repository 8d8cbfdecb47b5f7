/**
 * `outerloop peer`.
 *
 * @module
 */
import { type Command, coordinator, dataDir, run, workerOptions } from "../command.ts";
import { runUntilStopped } from "../lifetime.ts";

export const peer: Command = {
  summary: "train for a run",
  options: {
    coordinator,
    run,
    "data-dir": { ...dataDir, help: "key and state of this peer (.outerloop-peer)" },
  },
  run: async (values) => {
    const { peerCommand } = await import("../../peer/command.ts");
    return runUntilStopped((signal) => peerCommand(workerOptions(values, ".outerloop-peer"), signal));
  },
};
