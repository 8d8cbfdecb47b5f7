/**
 * `outerloop evaluator`: one evaluator in one process.
 *
 * @module
 */
import { join } from "node:path";
import { createApiClient } from "../../functions/api/client.ts";
import { reporter, type WorkerCommandOptions } from "../peer/command.ts";
import { loadIdentity } from "../peer/identity.ts";
import { chooseRun } from "../replica/run-view.ts";
import { runEvaluator } from "./evaluator.ts";
import { openModel } from "./open-model.ts";

/** Runs until the process is told to stop. */
export async function evaluatorCommand(options: WorkerCommandOptions, signal: AbortSignal): Promise<void> {
  const key = await loadIdentity(options.dataDir);
  const api = createApiClient({ coordinator: options.coordinator, key, signal });
  await runEvaluator({
    api,
    run: await chooseRun(api, options.run),
    key,
    open: openModel(join(options.dataDir, "data")),
    report: reporter(),
    signal,
  });
}
