/**
 * Why a peer was or was not used in a round, in plain words and with every figure, and what would have changed it. Made
 * from the stored objects of the round alone: anybody may ask, and gets the same answer.
 *
 * @module
 */
import {
  type Close,
  explain,
  f32FromHex,
  f64FromHex,
  type Judgement,
  type LedgerEntry,
  type Receipt,
  toMilliseconds,
  unreachable,
  type VerdictReason,
} from "../../schemas/index.ts";
import { ESTABLISHED_AFTER_ROUNDS, ESTABLISHED_ASSIGNMENT } from "./gauntlet/standing.ts";
import { type FinishedRound, receiptsOf } from "./receipts.ts";

export interface Explanation {
  round: number;
  peer: string;
  /** Null: it had no part in the round, which yet decided about its pay. */
  verdict: Receipt["verdict"] | null;
  /** Title and sentence, in the order in which things happened. */
  lines: { title: string; text: string }[];
  receipt: Receipt | null;
}

/** `entry`: what the run remembers of the peer after the round, if it does. Null: it had nothing to do with the round. */
export function explainPeer(
  finished: FinishedRound,
  entry: LedgerEntry | undefined,
  peer: string,
): Explanation | null {
  const receipt = receiptsOf(finished).find((one) => one.peer === peer);
  const { close, manifest } = finished;
  const settled = close.body.submissions.find((one) => one.peer === peer);
  const line = (title: string, ...texts: (string | null)[]) =>
    texts.filter((text) => text !== null).map((text, i) => ({ title: i === 0 ? title : "", text }));
  const round = line("round", `${manifest.body.round}, ${manifest.body.outcome}: ${manifest.body.reason}`);
  const afterwards = [
    ...line("forfeit", forfeitText(finished, peer)),
    ...line("account", entry === undefined ? null : accountText(entry)),
    ...line("standing", entry === undefined ? null : standingText(entry)),
  ];
  if (receipt === undefined) {
    if (!finished.selection.body.forfeits.some((one) => one.peer === peer)) return null;
    const lines = [...round, ...line("verdict", "it had no part in this round"), ...afterwards];
    return { round: manifest.body.round, peer, verdict: null, receipt: null, lines };
  }
  return {
    round: manifest.body.round,
    peer,
    verdict: receipt.verdict,
    receipt,
    lines: [
      ...round,
      ...line("verdict", explain(receipt.reason)),
      ...line("norm", settled === undefined ? null : normText(close.body, settled)),
      ...line("judging", judgingText(finished, peer)),
      ...(receipt.judgement === null ? [] : judgementLines(finished, receipt.judgement, line)),
      ...line("pay", payText(finished, receipt, entry)),
      ...afterwards,
      ...line("to change", ...whatWouldChange(finished, receipt, entry)),
    ],
  };
}

function normText({ medianNorm }: Close, { norm, clip }: Close["submissions"][number]): string | null {
  if (norm === null || medianNorm === null) return null;
  const sizes = `${figure(f64FromHex(norm))}, usual is ${figure(f64FromHex(medianNorm))}`;
  if (clip === null) return sizes;
  const factor = f32FromHex(clip);
  if (factor === 1) return `${sizes}: not scaled`;
  const asked = Math.min(1, f64FromHex(medianNorm) / f64FromHex(norm));
  const why = factor < 0.999 * asked ? ", because one tensor carries far more than is usual for it" : "";
  return `${sizes}: scaled by ${figure(factor)} before it was judged${why}`;
}

function judgingText({ close, selection }: FinishedRound, peer: string): string | null {
  const job = close.body.plan.jobs.find(({ peers }) => peers.includes(peer));
  if (job === undefined) return null;
  const reports = selection.body.reports.filter((report) => report.job === job.job);
  const counted = reports.filter((report) => report.counted);
  const who = counted.map(({ evaluator }) => short(evaluator)).join(", ");
  const others = reports.length - counted.length;
  const aside = others === 0 ? "" : `; ${others} other report${others === 1 ? "" : "s"} did not count`;
  const owners = `in job ${job.job} with ${job.peers.length - 1} others`;
  return counted.length === 0 ? `${owners}: no report counted${aside}` : `${owners}, by ${who}${aside}`;
}

function judgementLines(
  { close }: FinishedRound,
  judgement: Judgement,
  line: (title: string, ...texts: (string | null)[]) => Explanation["lines"],
): Explanation["lines"] {
  const { matrix, factors } = judgement;
  const score = f64FromHex(judgement.lossScore);
  const lossText = Number.isFinite(score)
    ? `${signed(score)} ± ${figure(f64FromHex(judgement.standardError))}: by so much the loss falls on ${close.body.plan.anchor.length} sequences that nobody trained on (place ${judgement.place} in the round)`
    : "the loss after it is not a number, the worst there is";
  return [
    ...line("LossScore", lossText),
    ...line(
      "own data",
      ...(matrix === null
        ? ["no test: fewer than four updates in its group"]
        : ownDataTexts(matrix, judgement)),
    ),
    ...line(
      "rating",
      `${figure(f64FromHex(judgement.rating.mu))} ± ${figure(f64FromHex(judgement.rating.sigma))}`,
    ),
    ...line(
      "PeerScore",
      `${figure(f64FromHex(judgement.peerScore))} = assignment ${figure(f64FromHex(factors.assignment))} × rating ${figure(f64FromHex(factors.rating))} × presence ${figure(f64FromHex(factors.presence))} × penalty ${figure(f64FromHex(factors.penalty))}`,
    ),
  ];
}

function ownDataTexts(matrix: NonNullable<Judgement["matrix"]>, judgement: Judgement): string[] {
  const [own, row, column, rest, z] = (["own", "row", "column", "rest", "z"] as const).map((name) =>
    f64FromHex(matrix[name]),
  ) as [number, number, number, number, number];
  const helps = f64FromHex(judgement.lossScore) > 0;
  const meaning = !helps
    ? "of an update that does not help this says little"
    : z > 0
      ? "better on its own data than chance and luck explain, as if trained on it"
      : "no better on its own data than anybody: as if trained on something else";
  // The published rule compares with the anchor and with nobody else.
  const compared =
    column === 0 && rest === 0
      ? `${signed(row)} on text that nobody trained on`
      : `${signed(row)} on that of others; others gain ${signed(column)} there, ${signed(rest)} elsewhere`;
  return [
    `${signed(own)} on its own data, ${compared}`,
    `together ${signed(z)}: ${meaning}`,
    `assignment score ${figure(f64FromHex(judgement.assignmentScore))} after ${judgement.countedRounds} such rounds`,
  ];
}

function payText(
  { close }: FinishedRound,
  { peer, share, verdict, judgement }: Receipt,
  entry: LedgerEntry | undefined,
): string | null {
  const part = f64FromHex(share);
  if (part === 0) {
    if (verdict !== "selected") return "nothing";
    const hasScore = judgement !== null && f64FromHex(judgement.peerScore) > 0;
    return hasScore ? "nothing: nobody of this round is paid" : "nothing: its PeerScore is 0";
  }
  const clustered = close.body.clusters.some(({ peers }) => peers.includes(peer));
  const why = clustered
    ? ", as one of those that are too much alike: together they earn what is usual at most"
    : "";
  const percent = `${(100 * part).toFixed(2)} % of the round${why}`;
  return entry?.standing === "established"
    ? `${percent}, paid`
    : `${percent}, held until the key is established`;
}

function forfeitText({ selection }: FinishedRound, peer: string): string | null {
  const found = selection.body.forfeits.find((one) => one.peer === peer);
  if (found === undefined) return null;
  return `its update of round ${selection.body.round - 1} was used without a judgement; judged since, it does harm (LossScore ${figure(f64FromHex(found.lossScore))}): what was held and earned lately is lost, and its record begins anew`;
}

function accountText({ paid, held, forfeited }: LedgerEntry): string {
  return `${figure(f64FromHex(paid))} rounds' pay paid, ${figure(f64FromHex(held))} held, ${figure(f64FromHex(forfeited))} forfeited`;
}

function standingText({ standing, judgedRounds, helpedRounds, assignmentScore }: LedgerEntry): string {
  const record = `helped in ${helpedRounds} of ${judgedRounds} judged round${judgedRounds === 1 ? "" : "s"}, assignment score ${figure(f64FromHex(assignmentScore))}`;
  return standing === "established"
    ? `established (${record})`
    : `on probation (${record}; established from ${ESTABLISHED_AFTER_ROUNDS} rounds and ${ESTABLISHED_ASSIGNMENT} on)`;
}

/** What would have led to another verdict, or to more pay. */
function whatWouldChange(
  finished: FinishedRound,
  receipt: Receipt,
  entry: LedgerEntry | undefined,
): string[] {
  const { reason, judgement } = receipt;
  switch (reason.code) {
    case "selected":
    case "selected-unjudged":
      return judgement === null ? [] : weakestFactor(judgement);
    case "no-commit":
      return ["a commit in time; who cannot train this round had better not announce it"];
    case "late-commit":
      return [`a commit ${earlier(reason.committedAt, reason.commitBy)} earlier`];
    case "late-upload":
      return [`an upload that is there ${earlier(reason.uploadedAt, reason.uploadBy)} earlier`];
    case "incomplete-upload":
      return [`all shards there by ${reason.uploadBy}: begin sooner, or find out what held them up`];
    case "round-closed-early":
    case "not-checked":
    case "round-void":
      return ["nothing of the peer's own: the update went back into its error feedback"];
    case "not-in-roster":
      return ["an announcement before the roster was made"];
    case "wrong-manifest":
    case "wrong-state":
    case "wrong-state-proof":
      return ["training from the agreed parameters: catch up, or remove the saved state and join anew"];
    case "size-mismatch":
    case "hash-mismatch":
    case "malformed-payload":
    case "non-finite":
      return ["the very bytes that were committed, in the form that docs/protocol.md describes"];
    case "norm-out-of-range":
      return [
        `a norm between ${figure(reason.lowest)} and ${figure(reason.highest)}: the steps and the learning rate that the run asks for`,
      ];
    case "loss-score-too-low":
      if (reason.lossScore > 0)
        return [
          `a LossScore above ${figure(reason.needed)}: a key on probation must help beyond doubt and not next to nothing, of an established one anything above 0 will do`,
          ...untilEstablished(entry),
        ];
      return [
        "an update that lowers the loss on fresh text: look at data, sign and learning rate",
        ...(reason.lossScore === 0 ? ["an empty update changes nothing, and is no contribution"] : []),
      ];
    case "copy":
      return [
        `fewer than ${(100 * reason.threshold).toFixed(0)} % of its indices in common with another: train the data that was assigned`,
        "the highest PeerScore among them: that one stood for all, and their one share was split by it; no fault",
      ];
    case "no-free-slot":
      return reason.standing === "probation"
        ? ["luck, or time: once established, PeerScore decides and no lot", ...untilEstablished(entry)]
        : [slotScore(finished, reason), ...(judgement === null ? [] : weakestFactor(judgement))];
    case "not-judged":
      return [
        "an evaluator that has time for it: no fault of the peer; of the established, who was left out comes first next time",
        ...untilEstablished(entry),
      ];
    case "too-few-submissions":
    case "too-few-eligible":
      return [`at least ${reason.needed} updates that help in the round`];
    case "guard-refused":
      return [
        "a better sum: the guard refuses all together and blames nobody; established peers are tried again alone",
      ];
    default:
      return unreachable(reason);
  }
}

/** The factor that costs most, and what the score would be without. */
function weakestFactor({ factors, peerScore, countedRounds }: Judgement): string[] {
  const score = f64FromHex(peerScore);
  const costs = (["assignment", "presence", "penalty"] as const)
    .map((name) => ({ name, value: f64FromHex(factors[name]) }))
    .filter(({ value }) => value < 1)
    .sort((a, b) => a.value - b.value);
  const [worst] = costs;
  if (worst === undefined) return ["nothing but a better place: no factor holds the score down"];
  const advice = {
    assignment: `train exactly the windows that are assigned, all of them (it grows slowly, ${countedRounds} rounds so far)`,
    presence: "deliver in every round",
    penalty: "eight rounds without a fault",
  }[worst.name];
  const better = worst.value > 0 ? `, would make the PeerScore ${figure(score / worst.value)}` : "";
  return [`${worst.name} costs most (× ${figure(worst.value)}): ${advice}${better}`];
}

function slotScore(
  { selection }: FinishedRound,
  { slots }: Extract<VerdictReason, { code: "no-free-slot" }>,
): string {
  const used = new Set(selection.body.selected.map(({ peer }) => peer));
  const lowest = selection.body.judgements
    .filter(({ peer, standing }) => used.has(peer) && standing === "established")
    .map(({ peerScore }) => f64FromHex(peerScore))
    .sort((a, b) => a - b)[0];
  return lowest === undefined
    ? "no slot went to an established peer"
    : `a PeerScore above ${figure(lowest)}: that had the last of the ${slots} slots`;
}

function untilEstablished(entry: LedgerEntry | undefined): string[] {
  if (entry === undefined || entry.standing === "established") return [];
  return [standingText(entry)];
}

function earlier(came: string, due: string): string {
  return `${((toMilliseconds(came) - toMilliseconds(due)) / 1_000).toFixed(1)} s`;
}

const short = (id: string) => id.slice(0, 8);
const signed = (value: number) => `${value > 0 ? "+" : ""}${figure(value)}`;

function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return value === 0 || Math.abs(value) >= 0.001 ? String(Number(value.toFixed(4))) : value.toExponential(2);
}
