/**
 * `outerloop explain`: why a peer was or was not used in a round.
 *
 * @module
 */
import { type Explanation, explainPeer } from "../../functions/coordinator/explain-peer.ts";
import type { FinishedRound } from "../../functions/coordinator/receipts.ts";
import { type LedgerEntry, OuterloopError } from "../../schemas/index.ts";
import { lastFinishedRound, readLedger, readRound } from "./finished-rounds.ts";
import { type FactSource, openSource, type SourceOptions } from "./source.ts";

export interface ExplainOptions extends SourceOptions {
  /** Undefined: the last finished round. */
  round: number | undefined;
  /** An id, or enough of its first digits. */
  peer: string;
  json: boolean;
}

export async function explainCommand(options: ExplainOptions): Promise<void> {
  const explanation = await explainFrom(await openSource(options), options);
  const text = options.json ? JSON.stringify(explanation) : explanationText(explanation);
  process.stdout.write(`${text}\n`);
}

/** Typed errors: `round-not-finished`, `no-such-peer`, `ambiguous-peer`. */
export async function explainFrom(
  source: FactSource,
  { round: asked, peer: digits }: Pick<ExplainOptions, "round" | "peer">,
): Promise<Explanation> {
  const round = asked ?? (await lastFinishedRound(source));
  const finished = await readRound(source, round);
  const { entries } = await readLedger(source, round);
  const peer = whoIs(digits, finished, entries);
  const entry = entries.find((one) => one.peer === peer);
  const explanation = explainPeer(finished, entry, peer);
  if (explanation !== null) return explanation;
  const last = entry === undefined ? "" : `; it was last there in round ${entry.lastRound}`;
  throw new OuterloopError("no-such-peer", `${peer.slice(0, 8)} had no part in round ${round}${last}`);
}

/** Title and text in two columns. */
export function explanationText({ peer, lines }: Explanation): string {
  const all = [{ title: "peer", text: peer }, ...lines];
  const width = Math.max(...all.map(({ title }) => title.length));
  return all.map(({ title, text }) => `${title.padEnd(width)}  ${text}`).join("\n");
}

function whoIs(digits: string, { roster, close }: FinishedRound, entries: readonly LedgerEntry[]): string {
  const known = [...roster.body.peers, ...close.body.submissions, ...entries].map(({ peer }) => peer);
  const meant = [...new Set(known)].filter((peer) => peer.startsWith(digits.toLowerCase()));
  const [peer] = meant;
  if (peer === undefined)
    throw new OuterloopError("no-such-peer", `no peer of this run has an id that begins with ${digits}`);
  if (meant.length > 1)
    throw new OuterloopError(
      "ambiguous-peer",
      `${meant.length} ids begin with ${digits} (${meant
        .slice(0, 4)
        .map((one) => one.slice(0, 12))
        .join(", ")} …): give more digits`,
    );
  return peer;
}
