/**
 * The three jobs of an evaluator: judge the updates of one group, guard the sum of a selection, score the parameters on
 * held-out text.
 *
 * @module
 */
import { heldOutTokens, privateWindows, roundWindows } from "../../functions/coordinator/assignment.ts";
import type { Fact } from "../../functions/coordinator/facts.ts";
import { packLosses } from "../../functions/coordinator/gauntlet/losses.ts";
import { closeLink, rosterLink } from "../../functions/coordinator/seed-chain.ts";
import {
  type Close,
  type EvaluatorJob,
  f32FromHex,
  f64ToHex,
  type GuardReport,
  type HeldOut,
  keys,
  OuterloopError,
  type Report,
  type Roster,
  type Selection,
  type SigningKey,
  signToBytes,
  unreachable,
} from "../../schemas/index.ts";
import { type LossModel, windowsAt } from "../model/index.ts";
import type { Report as ReportEvent } from "../peer/events.ts";
import { stateHash } from "../replica/parameters.ts";
import { configOf, type RunView, readSigned, requireSigned } from "../replica/run-view.ts";
import type { Tokens } from "../replica/tokens.ts";
import { type BaseLosses, createBaseLosses } from "./base-losses.ts";
import type { ParameterWindow } from "./parameter-window.ts";
import { type Payload, payloadsOf } from "./payloads.ts";
import { createTrial, type Trial } from "./trial.ts";

export interface EvaluatorTools {
  view: RunView;
  key: SigningKey;
  tokens: Tokens;
  model: LossModel;
  parameters: ParameterWindow;
  report: ReportEvent;
  /** Jobs that this process has reported on: a queue may bring a copy, and the first report stands. */
  reported: Set<string>;
  /** The round whose jobs this process did last. */
  bench: Bench | null;
}

/** What all jobs of one round share. */
export interface Bench {
  close: Fact<Close>;
  roster: Roster;
  stateHash: string;
  trial: Trial;
  base: BaseLosses;
  lossesOf(parameters: Float32Array, windows: readonly number[]): Promise<Float32Array>;
  /** Windows that an evaluator draws for itself. */
  privateOf(evaluator: string): number[];
}

/**
 * Does a job, until `lease` aborts. Typed errors: `not-yet`, what it builds on is not published yet, the job comes again;
 * `somebody-elses`, this evaluator has answered already and another opinion is wanted.
 */
export function doJob(tools: EvaluatorTools, job: EvaluatorJob, lease: AbortSignal): Promise<void> {
  switch (job.type) {
    case "judge":
      return judge(tools, job, lease);
    case "guard":
      return guard(tools, job, lease);
    case "held-out":
      return scoreHeldOut(tools, job.round);
    default:
      return unreachable(job);
  }
}

/** Losses of what a round's updates are tried on. `not-yet`: the round is not closed, or its base is not published. */
async function benchOf(tools: EvaluatorTools, round: number): Promise<Bench> {
  if (tools.bench?.close.body.round === round) return tools.bench;
  const { view, tokens, model } = tools;
  const { run } = view;
  const close = await readSigned(view, "close", keys.close(run, round));
  if (close === null) throw new OuterloopError("not-yet", `round ${round} is not closed yet`);
  const { body: roster } = await requireSigned(view, "roster", keys.roster(run, round));
  view.checkSeed(rosterLink(round), roster.seed);
  view.checkSeed(closeLink(round), close.body.seed);
  const config = await configOf(view, roster.config);
  const { theta } = await tools.parameters.after(round - 1);
  const windows = roundWindows(roster.seed, view.data, config, roster.peers.length);
  const lossesOf = (parameters: Float32Array, numbers: readonly number[]) =>
    model.losses(parameters, windowsAt(tokens, numbers.map(windows.firstToken), config.model.sequenceLength));
  const { seed, plan } = close.body;
  tools.bench = {
    close,
    roster,
    stateHash: stateHash(view, theta),
    trial: createTrial(view, theta),
    base: createBaseLosses((numbers) => lossesOf(theta, numbers)),
    lossesOf,
    privateOf: (evaluator) => privateWindows(seed, evaluator, windows, plan.privateSequences),
  };
  return tools.bench;
}

/**
 * Losses on the anchor batch, on each owner's data and on private sequences, before any update and after each one: base
 * loss and tried losses in one report, so that only differences within it are ever compared.
 */
async function judge(
  tools: EvaluatorTools,
  { round, job: name, others }: Extract<EvaluatorJob, { type: "judge" }>,
  lease: AbortSignal,
): Promise<void> {
  const { view, key } = tools;
  const { run, api } = view;
  requireOpinionOf(tools, `${round}/${name}`, others);
  if (tools.reported.has(`${round}/${name}`)) return;
  const selection = await readSigned(view, "selection", keys.selection(run, round));
  const bench = await benchOf(tools, round);
  const { plan } = bench.close.body;
  const job = plan.jobs.find((candidate) => candidate.job === name);
  if (job === undefined || (selection !== null && !isLateWork(selection.body, job.peers))) return;

  const startedMs = api.host.now();
  const windows = [
    ...plan.anchor,
    ...job.owned.flat(),
    ...[key.publicKey, ...others].flatMap(bench.privateOf),
  ];
  const step = -f32FromHex(plan.step);
  const report: Report = {
    round,
    job: name,
    evaluator: key.publicKey,
    close: bench.close.hash,
    stateHash: bench.stateHash,
    others,
    base: packLosses(await bench.base.of(windows)),
    losses: [],
    canary: null,
    seconds: 0,
  };
  const lossesWith = async (payload: Payload, factor: number) =>
    packLosses(await bench.lossesOf(bench.trial.update(payload, factor), windows));
  for await (const payload of payloadsOf(view, bench.close.body, bench.roster.keep, job.peers)) {
    // Somebody else has the job, or will: two need not do it to the end.
    lease.throwIfAborted();
    report.losses.push({ peer: payload.peer, losses: await lossesWith(payload, step) });
    if (job.canary?.peer === payload.peer)
      report.canary = await lossesWith(payload, job.canary.kind === "reverse" ? -step : 0);
    tools.report({ kind: "tried", round, job: name, tried: report.losses.length, of: job.peers.length });
  }
  // The clock may have been set back meanwhile.
  report.seconds = Math.max(0, (api.host.now() - startedMs) / 1_000);
  await api.report(run, round, name, signToBytes("report", run, report, key));
  tools.reported.add(`${round}/${name}`);
  tools.report({ kind: "judged", round, job: name, updates: job.peers.length, seconds: report.seconds });
}

/** Another opinion is wanted: this evaluator's own would be no other. */
function requireOpinionOf({ key, reported }: EvaluatorTools, name: string, others: readonly string[]): void {
  if (others.includes(key.publicKey) || (others.length > 0 && reported.has(name)))
    throw new OuterloopError("somebody-elses", `another evaluator's opinion on ${name} is wanted`);
}

/** True for a group with updates that were used without a judgement: its report still counts, in the next round. */
function isLateWork({ selected }: Selection, peers: readonly string[]): boolean {
  return selected.some(({ peer, judged }) => !judged && peers.includes(peer));
}

/** Losses on the anchor batch before and after the exact outer step of a selection. */
async function guard(
  tools: EvaluatorTools,
  { round, set, others }: Extract<EvaluatorJob, { type: "guard" }>,
  lease: AbortSignal,
): Promise<void> {
  const { view, key } = tools;
  const { run, api } = view;
  const name = `${round}/guard/${set}`;
  requireOpinionOf(tools, name, others);
  if (tools.reported.has(name)) return;
  if ((await readSigned(view, "manifest", keys.manifest(run, round))) !== null) return;
  const selection = await readSigned(view, "selection", keys.selection(run, round));
  if (selection === null) throw new OuterloopError("not-yet", `round ${round} has no selection yet`);
  const used = selection.body[set];
  if (used.length === 0) return;
  const bench = await benchOf(tools, round);
  const { keep, alpha } = bench.roster;
  const peers = used.map(({ peer }) => peer);
  const payloads = await Array.fromAsync(payloadsOf(view, bench.close.body, keep, peers));
  lease.throwIfAborted();
  const { anchor } = bench.close.body.plan;
  const theta = bench.trial.outerStep(payloads, used, { round, keep, alpha });
  const report: GuardReport = {
    round,
    set,
    evaluator: key.publicKey,
    selection: selection.hash,
    stateHash: bench.stateHash,
    base: packLosses(await bench.base.of(anchor)),
    after: packLosses(
      theta === null ? new Float32Array(anchor.length).fill(Number.NaN) : await bench.lossesOf(theta, anchor),
    ),
  };
  await api.guard(run, round, set, signToBytes("guard", run, report, key));
  tools.reported.add(name);
  tools.report({ kind: "guarded", round, set });
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
