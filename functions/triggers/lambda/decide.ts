/**
 * Lambda function: decides runs, called with batches of the queue of ticks.
 *
 * @module
 */
import type { SQSEvent } from "aws-lambda";
import { MANY_FACTS } from "../../rounds/fact-cache.ts";
import { handleBatch } from "./batch.ts";
import { readConfiguration } from "./configuration.ts";
import { openTriggerEnvironment } from "./environment.ts";
import { start } from "./start.ts";

export const handler = await start("decide", async () => {
  const environment = await openTriggerEnvironment(readConfiguration(process.env), {
    cachedFacts: MANY_FACTS,
  });
  return (event: SQSEvent) => handleBatch(environment, environment.ticks, event);
});
