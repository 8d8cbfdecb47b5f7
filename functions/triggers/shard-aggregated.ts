/**
 * A shard of the aggregate is done: ask for a tick.
 *
 * @module
 */
import { parseAggregateRecordKey } from "../../schemas/index.ts";
import { sendTick, type TriggerEnvironment } from "./environment.ts";

export async function shardAggregated(environment: TriggerEnvironment, key: string): Promise<void> {
  const record = parseAggregateRecordKey(key);
  if (record !== null) await sendTick(environment, record.run);
}
