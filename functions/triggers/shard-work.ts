/**
 * Work on one shard that a decision set going: its aggregate, or its part of the next state.
 *
 * @module
 */
import type { FunctionMessage } from "../../schemas/index.ts";
import { aggregateShard } from "../rounds/aggregate-shard.ts";
import { writeStateShard } from "../rounds/state-shard.ts";
import { sendTick, type TriggerEnvironment } from "./environment.ts";

export async function shardWork(
  environment: TriggerEnvironment,
  work: Extract<FunctionMessage, { type: "aggregate" | "state" }>,
): Promise<void> {
  const context = await environment.run(work.run);
  if (work.type === "aggregate") {
    if (await aggregateShard(context, work.round, work.shard, work.set))
      await sendTick(environment.ticks, work.run);
  } else if (await writeStateShard(context, work.round, work.shard)) {
    // A settlement may be waiting for this state.
    await sendTick(environment.ticks, work.run);
  }
}
