/**
 * Figures and states of a run in words. Pure: no document, no clock.
 *
 * @module
 */
/** @import { Phase, RunStatus } from "../../../schemas/status.ts" */
/** @import { FinalVerdict } from "../../../schemas/verdict.ts" */

/** Stands where nothing is known yet, so that a table cell is never mistaken for a zero. */
export const NOTHING = "–";

const MINUS = "\u2212";

/**
 * A signed figure with a true minus sign, which is as wide as a digit: columns stay aligned.
 *
 * @param {number | null | undefined} value
 * @param {number} digits
 */
export function figure(value, digits) {
  if (value == null || !Number.isFinite(value)) return NOTHING;
  const tooSmall = value !== 0 && Math.abs(value) < 0.5 * 10 ** -digits;
  const text = tooSmall ? value.toExponential(1) : value.toFixed(digits);
  return text.replaceAll("-", MINUS);
}

/**
 * The same with its sign always written, for a change.
 *
 * @param {number | null | undefined} value
 * @param {number} digits
 */
export function change(value, digits) {
  const text = figure(value, digits);
  return value != null && value > 0 ? `+${text}` : text;
}

/**
 * @param {number} value
 * @param {number} total
 */
export function percent(value, total) {
  return total > 0 && Number.isFinite(value) ? `${((100 * value) / total).toFixed(1)} %` : NOTHING;
}

/**
 * @param {number} value
 * @param {number} base
 * @param {string[]} units
 * @param {number} unit
 */
function scaled(value, base, units, unit = 0) {
  if (value >= base && unit + 1 < units.length) return scaled(value / base, base, units, unit + 1);
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`.trim();
}

/** Decimal units, as every bill for traffic counts them. @param {number} sizeBytes */
export function bytes(sizeBytes) {
  return scaled(sizeBytes, 1000, ["B", "kB", "MB", "GB", "TB", "PB"]);
}

/** How many: 1.25 M. @param {number} value */
export function count(value) {
  return scaled(value, 1000, ["", "k", "M", "B", "T"]);
}

/**
 * @param {number} value
 * @param {string} noun
 */
export function plural(value, noun) {
  return `${value} ${noun}${value === 1 ? "" : "s"}`;
}

/** How long something took or is ago: "1.3 s", "48 s", "4 min 10 s", "2 h 5 min". @param {number} seconds */
export function duration(seconds) {
  if (seconds > 0 && seconds < 10 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)} s`;
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Time left as a clock shows it, "0:42" or "1:02:03"; it never goes below zero. @param {number} milliseconds */
export function countdown(milliseconds) {
  const left = Math.max(0, Math.ceil(milliseconds / 1000));
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const minutes = Math.floor(left / 60) % 60;
  return left < 3600
    ? `${minutes}:${two(left % 60)}`
    : `${Math.floor(left / 3600)}:${two(minutes)}:${two(left % 60)}`;
}

/** The first four bytes tell peers apart on a page. @param {string} hex */
export function shortId(hex) {
  return hex.slice(0, 8);
}

/** A run id is its slug and the genesis hash; people know the slug. @param {string} run */
export function runName(run) {
  const match = /^(.+)-([0-9a-f]{32})$/.exec(run);
  return match ? { slug: match[1] ?? run, hash: match[2] ?? "" } : { slug: run, hash: "" };
}

/** The phases that have a deadline object at their end, in order. @type {Exclude<Phase, "finished">[]} */
export const STEPS = ["gather", "train", "settle", "evaluate", "aggregate"];

/** @type {Record<Phase, { title: string, about: string }>} */
export const PHASES = {
  gather: { title: "Gathering peers", about: "Peers announce that they will train in this round." },
  train: { title: "Training", about: "Peers train on their own machines and upload compressed updates." },
  settle: { title: "Settling", about: "The round is closed to submissions; every upload is being checked." },
  evaluate: { title: "Evaluating", about: "Evaluators measure what each update does to the loss." },
  aggregate: { title: "Aggregating", about: "The selected updates are added to the model, shard by shard." },
  finished: { title: "Finished", about: "No further round will be opened." },
};

/** Only a pause waits for the operator to resume. @param {Pick<RunStatus, "waitingFor">} status */
export function isPaused(status) {
  return status.waitingFor.some((thing) => thing.kind === "resume");
}

/** Nothing is missing but a decision. @param {Pick<RunStatus, "waitingFor">} status */
export function isDue(status) {
  return status.waitingFor.some((thing) => thing.kind === "coordinator");
}

/**
 * Until when the phase lasts, in words; `time` is what there is to count.
 *
 * @param {Pick<RunStatus, "phase" | "waitingFor" | "endsAt">} status
 * @param {number} serverNowMs
 */
export function deadline(status, serverNowMs) {
  const { phase, endsAt } = status;
  const leftMs = endsAt === null ? 0 : Date.parse(endsAt) - serverNowMs;
  if (phase === "finished") return { label: "", time: "" };
  if (endsAt !== null && leftMs <= 0) return { label: "overdue for", time: countdown(-leftMs) };
  if (isDue(status)) return { label: "", time: "due now" };
  if (endsAt !== null) return { label: "ends within", time: countdown(leftMs) };
  return { label: "", time: isPaused(status) ? "no deadline: paused" : "no deadline: too few peers" };
}

/**
 * The five steps of the round with what each counts; `of` is null where no total exists yet.
 *
 * @param {Pick<RunStatus, "phase" | "progress">} status
 */
export function steps({ phase, progress }) {
  const now = phase === "finished" ? STEPS.length : STEPS.indexOf(phase);
  /** @type {Record<typeof STEPS[number], [done: number, of: number | null, unit: string]>} */
  const counts = {
    gather: now > 0 ? [progress.roster, null, "in the roster"] : [progress.announced, null, "announced"],
    train: [progress.committed, progress.roster, "committed"],
    settle: [progress.complete, progress.committed, "complete"],
    evaluate: [progress.reported, progress.jobs, "jobs reported"],
    aggregate: [progress.aggregated, progress.shards, "shards aggregated"],
  };
  return STEPS.map((step, index) => {
    const [done, of, unit] = counts[step];
    const reached = index <= now;
    const total = of === null ? "" : ` of ${of}`;
    return {
      step,
      state: index < now ? "done" : reached ? "current" : "ahead",
      text: reached && (of === null || of > 0) ? `${done}${total} ${unit}` : NOTHING,
      fraction: index < now ? 1 : reached && of ? Math.min(1, done / of) : 0,
    };
  });
}

/** @type {Record<FinalVerdict, string>} */
const VERDICTS = {
  selected: "selected",
  "not-selected": "not selected",
  refused: "refused",
  incomplete: "incomplete",
  late: "late",
  "not-checked": "not checked",
  absent: "absent",
};

/** @param {FinalVerdict} verdict */
export function verdictName(verdict) {
  return VERDICTS[verdict] ?? verdict;
}

/** The verdict stands before its reason already; "selected: improves …" need not say it twice. @param {string} reason */
export function withoutVerdict(reason) {
  return reason.replace(/^selected: /, "");
}

/**
 * The held-out loss by round as the chart draws it, from round 0, the genesis. `still` repeats the rounds that left the
 * parameters unchanged, so that they can be marked.
 *
 * @param {Pick<RunStatus, "initialHeldOutLoss" | "history">} status
 */
export function lossPoints({ initialHeldOutLoss, history }) {
  return {
    rounds: [0, ...history.map(({ round }) => round)],
    losses: [initialHeldOutLoss, ...history.map(({ heldOutLoss }) => heldOutLoss)],
    still: [null, ...history.map(({ outcome, heldOutLoss }) => (outcome === "applied" ? null : heldOutLoss))],
  };
}

/**
 * How far the round axis reaches: to the planned end while that leaves the curve readable, else a little ahead of it.
 *
 * @param {number} latest
 * @param {number} planned
 */
export function lastRoundDrawn(latest, planned) {
  return planned <= Math.max(30, 2 * latest) ? Math.max(planned, latest, 1) : Math.max(10, 2 * latest);
}
