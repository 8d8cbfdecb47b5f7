/**
 * An evaluator: leases jobs over HTTPS, runs the forward passes, signs what it found. It needs no bucket keys.
 *
 * @module
 */
import {
  type ApiClient,
  type Host,
  isTransient,
  keepLease,
  type Message,
  type Queue,
  type Timer,
} from "../../functions/api/client.ts";
import type { Streams } from "../../native/codec.ts";
import {
  evaluatorJob,
  isOuterloopError,
  LONGEST_LEASE_SECONDS,
  type SigningKey,
} from "../../schemas/index.ts";
import type { LossModel } from "../model/index.ts";
import type { Report } from "../peer/events.ts";
import { openRunView, type RunView } from "../replica/run-view.ts";
import type { Tokens } from "../replica/tokens.ts";
import { doJob, type EvaluatorTools } from "./jobs.ts";
import { createParameterWindow } from "./parameter-window.ts";

/** A lease lasts half the shortest window it must fit, but no shorter: a job of a dead evaluator comes back in time. */
const SHORTEST_LEASE_SECONDS = 5;
const LONG_POLL_SECONDS = 10;
const ANSWERED_AT_ONCE_MS = 500;
/** How long an evaluator that nobody answers waits before it asks again. */
const AWAY_MS = 5_000;
/** How long a job that this version does not know stays away, so that somebody else may get it. */
const UNKNOWN_SECONDS = 5;
/** What a job can end with while the evaluator itself is well; after anything else the process had better begin anew. */
const JOB_FAULTS = [
  "not-yet",
  "somebody-elses",
  "lease-lost",
  "wrong-payload",
  "object-too-large",
  "wrong-report",
  "missing-fact",
  "wrong-manifest",
  "wrong-state",
];
/** How soon a job that came too early, or that is for somebody else, may come again. */
const TOO_EARLY_SECONDS = 1;

export interface EvaluatorOptions {
  api: ApiClient;
  run: string;
  key: SigningKey;
  /** Brings the training text and the forward pass, once the run is known. */
  open: (view: RunView) => Promise<{ tokens: Tokens; model: LossModel }>;
  report: Report;
  signal: AbortSignal;
  /** How soon a coordinator that does not hold its answers back is asked again, milliseconds (3000). */
  pauseMs?: number;
  /** Applies aggregates (on background threads). */
  streams?: Streams;
}

/** Works until `signal`. Once it has begun, it waits for a coordinator that is away. */
export async function runEvaluator(options: EvaluatorOptions): Promise<void> {
  const { api, run, key, report, signal, pauseMs = 3_000 } = options;
  const view = await openRunView(api, run, options.streams);
  const { tokens, model } = await options.open(view);
  const tools: EvaluatorTools = {
    view,
    key,
    tokens,
    model,
    parameters: createParameterWindow(view),
    report,
    reported: new Set(),
    bench: null,
  };
  const queue = api.jobs(run);
  const { evaluationSeconds, aggregationSeconds } = view.genesis.body.config.windows;
  const leaseSeconds = Math.min(
    LONGEST_LEASE_SECONDS,
    Math.max(SHORTEST_LEASE_SECONDS, Math.min(evaluationSeconds, aggregationSeconds) / 2),
  );
  const { device } = model;
  if (device !== undefined) report({ kind: "note", text: device.note ?? `computing on ${device.provider}` });
  report({ kind: "ready", who: key.publicKey });
  try {
    while (!signal.aborted) {
      try {
        await takeJob(tools, queue, { leaseSeconds, pauseMs }, signal);
      } catch (error) {
        if (signal.aborted || !isTransient(error)) throw error;
        report({ kind: "note", text: `${String(error)}; trying again` });
        await api.host.sleep(AWAY_MS, signal).catch(() => {});
      }
    }
  } finally {
    await model.close();
  }
}

/** Waits for a job and does it. First it catches up: who is behind would hold jobs that others could do. */
async function takeJob(
  tools: EvaluatorTools,
  queue: Queue,
  { leaseSeconds, pauseMs }: { leaseSeconds: number; pauseMs: number },
  signal: AbortSignal,
): Promise<void> {
  const { host } = tools.view.api;
  await tools.parameters.catchUp();
  const askedAtMs = host.now();
  const messages = await queue.receive({ max: 1, leaseSeconds, waitSeconds: LONG_POLL_SECONDS });
  for (const message of messages) await work(tools, queue, message, leaseSeconds);
  // A coordinator that does not hold its answers back is asked again after a pause.
  if (messages.length === 0 && host.now() - askedAtMs < ANSWERED_AT_ONCE_MS) {
    await host.sleep(pauseMs, signal).catch(() => {});
  }
}

async function work(
  tools: EvaluatorTools,
  queue: Queue,
  message: Message,
  leaseSeconds: number,
): Promise<void> {
  const job = parseJob(message.body);
  if (!job.success || job.data.run !== tools.view.run) return giveBack(queue, message, UNKNOWN_SECONDS);
  try {
    const timer = timerOf(tools.view.api.host);
    await keepLease(queue, message, leaseSeconds, (lease) => doJob(tools, job.data, lease), { timer });
    await queue.ack(message);
  } catch (error) {
    if (!isOuterloopError(error) || !JOB_FAULTS.includes(error.code)) throw error;
    if (error.code !== "not-yet" && error.code !== "somebody-elses") {
      tools.report({ kind: "note", text: `${job.data.type} of round ${job.data.round}: ${error.message}` });
    }
    await giveBack(queue, message, TOO_EARLY_SECONDS);
  }
}

/** A timer on the machine's own time. */
function timerOf(host: Host): Timer {
  return (ms, callback) => {
    const cancelled = new AbortController();
    host.sleep(ms, cancelled.signal).then(callback, () => {});
    return () => cancelled.abort();
  };
}

function parseJob(body: string) {
  try {
    return evaluatorJob.safeParse(JSON.parse(body));
  } catch {
    // Not even JSON: the same as a job that fits no schema.
    return evaluatorJob.safeParse(undefined);
  }
}

/** Gives a job back, to come again after a while. */
async function giveBack(queue: Queue, message: Message, seconds: number): Promise<void> {
  try {
    await queue.extend(message, seconds);
  } catch (error) {
    if (!isOuterloopError(error, "lease-lost")) throw error;
  }
}
