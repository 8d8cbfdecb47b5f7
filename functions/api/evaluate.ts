/**
 * What an evaluator may do through the API: read the submissions of a closed round, store its reports.
 *
 * @module
 */
import {
  type AggregateSet,
  guardReport,
  heldOut as heldOutSchema,
  type KeySet,
  keys,
  OuterloopError,
  parseSubmissionKey,
  parseUploadKey,
  report as reportSchema,
  toInstant,
  verifyBytes,
} from "../../schemas/index.ts";
import { keysInRound } from "../coordinator/controls.ts";
import { trustIn } from "../coordinator/gauntlet/evaluator-trust.ts";
import { acceptableGuard, acceptableReport } from "../rounds/accept-report.ts";
import { ledgerOf, readManifest } from "../rounds/history.ts";
import { readFact } from "../rounds/objects.ts";
import { readControls } from "../rounds/read-controls.ts";
import type { RunContext } from "../rounds/run-context.ts";
import type { Stored } from "./submit.ts";

const TICKET_SECONDS = 600;

/**
 * Only keys of the operator's key set may judge (`not-an-evaluator`), and of them none that was found wrong too often
 * (`evaluator-out`): it would take jobs whose reports count nothing.
 */
export async function requireEvaluator(context: RunContext, signer: string, round: number): Promise<void> {
  const controls = await readControls(context);
  const { evaluators }: KeySet = keysInRound(context.genesis.body, controls, round);
  if (!evaluators.includes(signer))
    throw new OuterloopError(
      "not-an-evaluator",
      `${signer} is not among the evaluators of run ${context.run}`,
    );
  const { evaluators: records } = await ledgerOf(context, await lastFinished(context, round));
  const faults = records.get(signer)?.faults ?? [];
  if (trustIn(records.get(signer), round) === "out")
    throw new OuterloopError(
      "evaluator-out",
      `${signer} was found wrong in rounds ${faults.join(", ")}: mend it, and ask the operator for a new key`,
    );
}

/** The round before the one that is judged, if it is finished: a head that is behind must not send this one astray. */
async function lastFinished(context: RunContext, round: number): Promise<number> {
  return round > 1 && (await readManifest(context, round - 1)) !== null ? round - 1 : 0;
}

/** Download tickets for commits and uploads of closed rounds; before that, functions alone read them (`no-close`). */
export async function readTicketsFor(context: RunContext, requested: readonly string[]) {
  const tickets = [];
  for (const key of requested) {
    const round = parseUploadKey(key)?.round ?? parseSubmissionKey(key)?.round;
    if (round === undefined || key.split("/")[1] !== context.run) {
      throw new OuterloopError("no-such-object", `${key} is no commit or upload of run ${context.run}`);
    }
    if ((await readFact(context, "close", keys.close(context.run, round))) === null) {
      throw new OuterloopError("no-close", `round ${round} is not closed yet: its submissions are sealed`);
    }
    const { expiresAtMs: until, ...ticket } = await context.store.presignGet(key, {
      lifeSeconds: TICKET_SECONDS,
    });
    tickets.push({ key, ticket: { ...ticket, expiresAt: toInstant(until) } });
  }
  return { tickets };
}

/** Stores a loss report, created once by (round, job, evaluator). */
export async function acceptReport(
  context: RunContext,
  signer: string,
  round: number,
  job: string,
  bytes: Uint8Array,
): Promise<Stored> {
  await requireEvaluator(context, signer, round);
  const { body } = verifyBytes("report", context.run, reportSchema, bytes, { allOf: [signer] });
  const close = await readFact(context, "close", keys.close(context.run, round));
  if (close === null) throw new OuterloopError("no-close", `round ${round} is not closed yet`);
  const problem =
    body.round !== round || body.job !== job || body.evaluator !== signer
      ? "round, job or evaluator differ from path and signature"
      : acceptableReport(body, { close, stateHash: null });
  if (problem !== null) throw new OuterloopError("wrong-report", `this report does not fit: ${problem}`);
  return storeFirst(context, keys.report(context.run, round, job, signer), bytes);
}

/** Stores a guard's report, created once by (round, set, evaluator). */
export async function acceptGuard(
  context: RunContext,
  signer: string,
  round: number,
  set: AggregateSet,
  bytes: Uint8Array,
): Promise<Stored> {
  await requireEvaluator(context, signer, round);
  const { body } = verifyBytes("guard", context.run, guardReport, bytes, { allOf: [signer] });
  const [close, selection] = await Promise.all([
    readFact(context, "close", keys.close(context.run, round)),
    readFact(context, "selection", keys.selection(context.run, round)),
  ]);
  if (close === null || selection === null)
    throw new OuterloopError("no-selection", `round ${round} has no selection yet`);
  const sequences = close.body.plan.anchor.length;
  const problem =
    body.round !== round || body.set !== set || body.evaluator !== signer
      ? "round, set or evaluator differ from path and signature"
      : acceptableGuard(body, { selection: selection.hash, stateHash: null, sequences });
  if (problem !== null) throw new OuterloopError("wrong-report", `this report does not fit: ${problem}`);
  return storeFirst(context, keys.guard(context.run, round, set, signer), bytes);
}

/** Stores a held-out loss, created once by (round, evaluator). */
export async function acceptHeldOut(
  context: RunContext,
  signer: string,
  round: number,
  bytes: Uint8Array,
): Promise<Stored> {
  await requireEvaluator(context, signer, round);
  const { body } = verifyBytes("held-out", context.run, heldOutSchema, bytes, { allOf: [signer] });
  if (body.round !== round || body.evaluator !== signer) {
    throw new OuterloopError("wrong-report", "round or evaluator differ from path and signature");
  }
  return storeFirst(context, keys.heldOut(context.run, round, signer), bytes);
}

/** Losses need not repeat to the bit, so a second report is no offence: the first one stands. */
async function storeFirst(context: RunContext, key: string, bytes: Uint8Array): Promise<Stored> {
  const put = await context.store.putIfAbsent(key, bytes);
  return { outcome: put.outcome, key };
}
