/**
 * The two jobs of an evaluator: judge the updates of one group, and score the parameters on held-out text.
 *
 * @module
 */
import { heldOutTokens, roundWindows } from "../../functions/coordinator/assignment.ts";
import { packLosses } from "../../functions/coordinator/gauntlet/losses.ts";
import { closeLink, rosterLink } from "../../functions/coordinator/seed-chain.ts";
import {
  type EvaluatorJob,
  f64ToHex,
  type HeldOut,
  keys,
  OuterloopError,
  type Report,
  type SigningKey,
  signToBytes,
} from "../../schemas/index.ts";
import { type LossModel, windowsAt } from "../model/index.ts";
import type { Report as ReportEvent } from "../peer/events.ts";
import { stateHash } from "../replica/parameters.ts";
import { configOf, type RunView, readSigned, requireSigned } from "../replica/run-view.ts";
import type { Tokens } from "../replica/tokens.ts";
import type { ParameterWindow } from "./parameter-window.ts";
import { downloadPayloads, triedParameters } from "./try-update.ts";

export interface EvaluatorTools {
  view: RunView;
  key: SigningKey;
  tokens: Tokens;
  model: LossModel;
  parameters: ParameterWindow;
  report: ReportEvent;
  /** Jobs that this process has reported on: a queue may bring a copy, and the first report stands. */
  reported: Set<string>;
}

/**
 * Does a job, until `lease` aborts. Typed error `not-yet`: what it builds on is not published yet; the job comes again.
 */
export function doJob(tools: EvaluatorTools, job: EvaluatorJob, lease: AbortSignal): Promise<void> {
  return job.type === "judge" ? judge(tools, job.round, job.job, lease) : scoreHeldOut(tools, job.round);
}

/**
 * Losses on the anchor batch and on each owner's data, before any update and after each one: base loss and tried
 * losses in one report, so that only differences within it are ever compared.
 */
async function judge(
  tools: EvaluatorTools,
  round: number,
  jobName: string,
  lease: AbortSignal,
): Promise<void> {
  const { view, key, tokens, model } = tools;
  const { run, api } = view;
  const name = `${round}/${jobName}`;
  if (tools.reported.has(name)) return;
  if ((await readSigned(view, "selection", keys.selection(run, round))) !== null) return;
  const close = await readSigned(view, "close", keys.close(run, round));
  if (close === null) throw new OuterloopError("not-yet", `round ${round} is not closed yet`);
  const job = close.body.plan.jobs.find((candidate) => candidate.job === jobName);
  if (job === undefined) return;
  const roster = await requireSigned(view, "roster", keys.roster(run, round));
  view.checkSeed(rosterLink(round), roster.body.seed);
  view.checkSeed(closeLink(round), close.body.seed);
  const config = await configOf(view, roster.body.config);
  const base = await tools.parameters.after(round - 1);

  const windows = roundWindows(roster.body.seed, view.data, config, roster.body.peers.length);
  const numbers = [...close.body.plan.anchor, ...job.owned.flat()];
  const batch = windowsAt(tokens, numbers.map(windows.firstToken), config.model.sequenceLength);
  const payloads = await downloadPayloads(view, close.body, job.peers);
  const report: Report = {
    round,
    job: jobName,
    evaluator: key.publicKey,
    close: close.hash,
    stateHash: stateHash(view, base.theta),
    base: packLosses(await model.losses(base.theta, batch)),
    losses: [],
  };
  for (const payload of payloads) {
    // Somebody else has the job, or will: two need not do it to the end.
    lease.throwIfAborted();
    const tried = triedParameters(view, base.theta, close.body, roster.body.keep, payload);
    report.losses.push({ peer: payload.peer, losses: packLosses(await model.losses(tried, batch)) });
  }
  await api.report(run, round, jobName, signToBytes("report", run, report, key));
  tools.reported.add(name);
  tools.report({ kind: "judged", round, job: jobName });
}

/** Mean loss in nats per token over the same held-out windows every time. */
async function scoreHeldOut(
  { view, key, tokens, model, parameters, report }: EvaluatorTools,
  round: number,
): Promise<void> {
  const { run, api, genesis, data } = view;
  // A job may come twice: what this evaluator has said already is not worth computing again.
  if ((await readSigned(view, "held-out", keys.heldOut(run, round, key.publicKey), [key.publicKey])) !== null)
    return;
  const { config } = genesis.body;
  const state = await parameters.after(round);
  const starts = heldOutTokens(data, config);
  const losses = await model.losses(state.theta, windowsAt(tokens, starts, config.model.sequenceLength));
  const loss = losses.reduce((sum, one) => sum + one, 0) / losses.length;
  const body: HeldOut = {
    round,
    evaluator: key.publicKey,
    stateHash: stateHash(view, state.theta),
    windows: starts.length,
    loss: f64ToHex(loss),
  };
  await api.heldOut(run, round, signToBytes("held-out", run, body, key));
  report({ kind: "held-out", round, loss });
}
