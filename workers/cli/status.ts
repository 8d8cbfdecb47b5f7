/**
 * `outerloop status`: from a coordinator, or from the bucket itself, coordinator or not.
 *
 * @module
 */
import { createApiClient } from "../../functions/api/client.ts";
import { readStatus } from "../../functions/rounds/status.ts";
import type { AwaitedThing, RunStatus } from "../../schemas/index.ts";
import { chooseRun } from "../replica/run-view.ts";
import { openBucket, type SourceOptions } from "./source.ts";

export interface StatusOptions extends SourceOptions {
  json: boolean;
  /** Explain why the run stands where it stands. */
  why: boolean;
}

export async function statusCommand(options: StatusOptions): Promise<void> {
  const status =
    options.coordinator === undefined
      ? await readStatus(await openBucket(options))
      : await fromCoordinator(options, options.coordinator);
  const text = options.json ? JSON.stringify(status) : options.why ? whyText(status) : statusText(status);
  process.stdout.write(`${text}\n`);
}

async function fromCoordinator({ run }: StatusOptions, coordinator: string): Promise<RunStatus> {
  const api = createApiClient({ coordinator, patienceSeconds: 3 });
  return api.status(await chooseRun(api, run));
}

/** Why a run stands where it stands: since when, what it waits for, until when, and what then. */
export function whyText(status: RunStatus): string {
  const { asOf, run, round, rounds, phase, since, waitingFor, afterwards, manifestBy, reason } = status;
  const left = (at: string) => leftText(at, asOf);
  return [
    `run      ${run}, as of ${asOf}`,
    `round    ${round} of ${rounds}`,
    `phase    ${phase}${since === null ? "" : `, since ${since} (${left(since)})`}`,
    `because  ${reason}`,
    ...waitingFor.map(({ text }, i) => `${i === 0 ? "waits    for " : "             "}${text}`),
    ...deadlineText(status),
    `then     ${afterwards}`,
    ...(manifestBy === null
      ? []
      : [`manifest due by ${manifestBy} (${left(manifestBy)}), should every phase take its whole window`]),
  ].join("\n");
}

/** Until when the phase lasts; nothing once the run is over. */
function deadlineText({ asOf, phase, waitingFor, endsAt }: RunStatus): string[] {
  if (phase === "finished") return [];
  const waitsFor = (kind: AwaitedThing["kind"]) => waitingFor.some((thing) => thing.kind === kind);
  if (waitsFor("coordinator")) {
    const overdue = endsAt !== null && endsAt <= asOf;
    return [overdue ? `overdue  since ${endsAt} (${leftText(endsAt, asOf)})` : "due      now"];
  }
  if (endsAt !== null) return [`until    ${endsAt} (${leftText(endsAt, asOf)})`];
  return [
    waitsFor("resume")
      ? "until    the operator resumes the run: a pause has no deadline"
      : "until    enough peers have announced: there is no deadline, and nothing is at stake yet",
  ];
}

function leftText(at: string, asOf: string): string {
  const leftMs = Date.parse(at) - Date.parse(asOf);
  const seconds = Math.round(Math.abs(leftMs) / 1_000);
  return leftMs > 0 ? `in ${seconds} s` : `${seconds} s ago`;
}

export function statusText(status: RunStatus): string {
  const { run, round, rounds, phase, waitingFor, reason, history, initialHeldOutLoss } = status;
  const last = history.at(-1);
  const loss = history.findLast(({ heldOutLoss }) => heldOutLoss !== null)?.heldOutLoss ?? initialHeldOutLoss;
  return [
    `run      ${run}`,
    `round    ${round} of ${rounds}, ${phase}: ${reason}`,
    ...(waitingFor.length > 0 ? [`waits    for ${waitingFor.map(({ text }) => text).join(", ")}`] : []),
    ...deadlineText(status),
    ...(loss === null ? [] : [`loss     ${loss.toFixed(4)} nats/token on held-out text`]),
    ...(last === undefined
      ? []
      : [
          `last     round ${last.round}: ${last.outcome}, ${last.selected.length} selected, ${last.refused.length} not used`,
        ]),
    ...(last?.refused ?? []).map(({ peer, reason: why }) => `         ${peer.slice(0, 8)} ${why}`),
  ].join("\n");
}
