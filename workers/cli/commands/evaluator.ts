/**
 * `outerloop evaluator`.
 *
 * @module
 */
import { type Command, coordinator, dataDir, run, workerOptions } from "../command.ts";
import { runUntilStopped } from "../lifetime.ts";

export const evaluator: Command = {
  summary: "judge updates for a run, over HTTPS with a key of its own",
  options: {
    coordinator,
    run,
    "data-dir": { ...dataDir, help: "key of this evaluator (.outerloop-evaluator)" },
  },
  run: async (values) => {
    const { evaluatorCommand } = await import("../../evaluator/command.ts");
    return runUntilStopped((signal) =>
      evaluatorCommand(workerOptions(values, ".outerloop-evaluator"), signal),
    );
  },
};
