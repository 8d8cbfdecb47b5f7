/**
 * An evaluator's report was stored: ask for a tick.
 *
 * @module
 */
import { parseReportKey } from "../../schemas/index.ts";
import { sendTick, type TriggerEnvironment } from "./environment.ts";

export async function reportCreated(environment: TriggerEnvironment, key: string): Promise<void> {
  const report = parseReportKey(key);
  if (report !== null) await sendTick(environment, report.run);
}
