/**
 * Lambda function: the sweep, called every minute by a schedule.
 *
 * @module
 */
import { MANY_FACTS } from "../../rounds/fact-cache.ts";
import { oncePerRun } from "../../rounds/once-per-run.ts";
import { recallHistory } from "../../rounds/write-view.ts";
import { sweep } from "../sweep.ts";
import { readConfiguration } from "./configuration.ts";
import { openTriggerEnvironment } from "./environment.ts";
import { start } from "./start.ts";

export const handler = await start("sweep", async () => {
  const environment = await openTriggerEnvironment(readConfiguration(process.env), {
    cachedFacts: MANY_FACTS,
  });
  // Of all functions with the secrets, this one alone draws pictures.
  const run = oncePerRun(async (id) => {
    const context = await environment.run(id);
    await recallHistory(context);
    return context;
  });
  return () => sweep({ ...environment, run });
});
