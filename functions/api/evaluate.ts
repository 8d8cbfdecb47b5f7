/**
 * What an evaluator may do through the API: read the submissions of a closed round, store its reports.
 *
 * @module
 */
import {
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
import { acceptableReport } from "../rounds/accept-report.ts";
import { readFact } from "../rounds/objects.ts";
import { readControls } from "../rounds/read-controls.ts";
import type { RunContext } from "../rounds/run-context.ts";
import type { Stored } from "./submit.ts";

const TICKET_SECONDS = 600;

/** Only keys of the operator's key set may judge (`not-an-evaluator`). */
export async function requireEvaluator(context: RunContext, signer: string, round: number): Promise<void> {
  const controls = await readControls(context);
  const { evaluators }: KeySet = keysInRound(context.genesis.body, controls, round);
  if (evaluators.includes(signer)) return;
  throw new OuterloopError("not-an-evaluator", `${signer} is not among the evaluators of run ${context.run}`);
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
