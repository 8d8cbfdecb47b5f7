/**
 * A shard was uploaded: check it. Never decides; when the last check of a submission is done, it asks for a tick.
 *
 * @module
 */
import { parseUploadKey } from "../../schemas/index.ts";
import { checkUpload } from "../rounds/check-upload.ts";
import { sendTick, type TriggerEnvironment } from "./environment.ts";

export async function shardUploaded(environment: TriggerEnvironment, key: string): Promise<void> {
  const upload = parseUploadKey(key);
  if (upload === null) return;
  const context = await environment.run(upload.run);
  if (await checkUpload(context, upload)) await sendTick(environment.ticks, upload.run);
}
