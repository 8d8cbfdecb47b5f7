/**
 * An evaluator: leases jobs over HTTPS, runs the forward passes, signs what it found. It needs no bucket keys.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ApiClient, Message, Queue } from "../../functions/api/client.ts";

import { evaluatorJob, isOuterloopError, type SigningKey } from "../../schemas/index.ts";
import { createLossModel } from "../model/index.ts";
import type { Report } from "../peer/events.ts";
import { openRunView } from "../replica/run-view.ts";
import { loadTokens } from "../replica/tokens.ts";
import { doJob, type EvaluatorTools } from "./jobs.ts";
import { createParameterWindow } from "./parameter-window.ts";

/** A lease is renewed at a third of its time. */
const LEASE_SECONDS = 60;
const HEARTBEAT_MS = 20_000;
const LONG_POLL_SECONDS = 10;
/** How soon a job that came too early may come again. */
const TOO_EARLY_SECONDS = 1;
/** Sequences in one forward pass: larger blocks are no faster on a CPU. */
const BATCH_SIZE = 8;

export interface EvaluatorOptions {
  api: ApiClient;
  run: string;
  key: SigningKey;
  /** Where downloaded data is kept. */
  folder: string;
  report: Report;
  signal: AbortSignal;
}

/** Works until `signal`. */
export async function runEvaluator({
  api,
  run,
  key,
  folder,
  report,
  signal,
}: EvaluatorOptions): Promise<void> {
  const view = await openRunView(api, run);
  const [tokens, model] = await Promise.all([
    loadTokens(view, folder),
    createLossModel(view.genesis.body.config.model, { batchSize: BATCH_SIZE }),
  ]);
  const tools: EvaluatorTools = { view, key, tokens, model, parameters: createParameterWindow(view), report };
  const queue = api.jobs(run);
  report({ kind: "ready", who: key.publicKey });
  try {
    while (!signal.aborted) {
      const messages = await queue.receive({
        max: 1,
        leaseSeconds: LEASE_SECONDS,
        waitSeconds: LONG_POLL_SECONDS,
      });
      for (const message of messages) await work(tools, queue, message);
    }
  } finally {
    await model.close();
  }
}

async function work(tools: EvaluatorTools, queue: Queue, message: Message): Promise<void> {
  const job = evaluatorJob.safeParse(JSON.parse(message.body));
  // A job of another run, or one this version does not know, is for somebody else.
  if (!job.success || job.data.run !== tools.view.run) return giveBack(queue, message);
  const heartbeat = setInterval(() => {
    queue
      .extend(message, LEASE_SECONDS)
      .catch((error: unknown) => tools.report({ kind: "note", text: `heartbeat: ${String(error)}` }));
  }, HEARTBEAT_MS);
  try {
    await doJob(tools, job.data);
    await queue.ack(message);
  } catch (error) {
    if (!isOuterloopError(error)) throw error;
    if (error.code !== "not-yet")
      tools.report({ kind: "note", text: `${job.data.type} of round ${job.data.round}: ${error.message}` });
    await sleep(1_000 * TOO_EARLY_SECONDS);
    await giveBack(queue, message);
  } finally {
    clearInterval(heartbeat);
  }
}

async function giveBack(queue: Queue, message: Message): Promise<void> {
  try {
    await queue.extend(message, 0);
  } catch (error) {
    if (!isOuterloopError(error, "lease-lost")) throw error;
  }
}
