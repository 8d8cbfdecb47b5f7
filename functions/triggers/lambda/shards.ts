/**
 * Lambda function: checks uploads, makes aggregates and states, called with messages of the queue of shards.
 *
 * @module
 */
import type { SQSEvent } from "aws-lambda";
import { handleBatch } from "./batch.ts";
import { readConfiguration } from "./configuration.ts";
import { openTriggerEnvironment } from "./environment.ts";
import { start } from "./start.ts";

export const handler = await start("shards", async () => {
  const environment = await openTriggerEnvironment(readConfiguration(process.env));
  return (event: SQSEvent) => handleBatch(environment, environment.shards, event);
});
