/**
 * `npm run attacks`: every attack against the whole system, and what came of it.
 *
 *     npm run attacks                             # all attacks and studies, in two processes
 *     npm run attacks -- --only copy,blend        # some attacks, no studies
 *     npm run attacks -- --seeds 1 --rounds 12    # sooner
 *     npm run attacks -- --json                   # for machines, on stdout
 *
 * @module
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { ROUNDS } from "./arena/config.ts";
import { type Spread, spreadOf } from "./arena/measure.ts";
import type { Result, Task } from "./arena/worker.ts";
import { attacks } from "./kinds/index.ts";

/** Draws of the detection study. */
const DRAWS = 10;
const CROWDS = [4, 64];

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    seeds: { type: "string", default: "3" },
    rounds: { type: "string", default: String(ROUNDS) },
    json: { type: "boolean", default: false },
  },
});
const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => i + 1);
const rounds = Number(values.rounds);
const parts = values.only?.split(",");
const chosen = attacks.filter(({ name }) => parts?.some((part) => name.includes(part)) ?? true);
if (chosen.length === 0 || !(rounds >= 1) || seeds.length === 0) {
  const names = attacks.map(({ name }) => name).join(", ");
  process.stderr.write(
    `attacks: --only names none of ${names}, or --seeds or --rounds is no number from 1\n`,
  );
  process.exit(2);
}

const tasks: Task[] = seeds.flatMap((seed) =>
  chosen.map(({ name }): Task => ({ kind: "attack", name, seed, rounds })),
);
if (parts === undefined) {
  const draws = Array.from({ length: DRAWS }, (_, i) => i + 1);
  for (const rule of ["matrix", "published"] as const)
    for (const seed of draws) tasks.push({ kind: "detection", rule, seed, rounds });
  for (const keys of [5, 20] as const)
    for (const seed of seeds) tasks.push({ kind: "sybils", keys, seed, rounds });
  for (const peers of CROWDS) tasks.push({ kind: "cost", peers });
}
const results = await workOff(tasks);
const table = { attacks: attackRows(results), ...(parts === undefined ? studyFigures(results) : {}) };
process.stdout.write(`${values.json ? JSON.stringify(table) : text(table)}\n`);

/** Two processes at most: each fills a core. What costs is measured last, by one alone. */
async function workOff(all: readonly Task[]): Promise<Result[]> {
  const found: Result[] = [];
  const startedMs = performance.now();
  const waiting = all.filter(({ kind }) => kind !== "cost");
  const processes = Math.min(2, availableParallelism(), waiting.length);
  await Promise.all(Array.from({ length: processes }, () => worker(waiting)));
  await worker(all.filter(({ kind }) => kind === "cost"));
  return found;

  async function worker(list: Task[]): Promise<void> {
    if (list.length === 0) return;
    const child = fork(new URL("./arena/worker.ts", import.meta.url));
    const failed = once(child, "exit").then(([code]) => {
      throw new Error(`a process of the arena ended with ${code}`);
    });
    failed.catch(() => {});
    for (let task = list.shift(); task !== undefined; task = list.shift()) {
      child.send(task);
      const [result] = (await Promise.race([once(child, "message"), failed])) as [Result];
      found.push(result);
      progress(found.length, task, result);
    }
    child.send("end");
  }

  function progress(done: number, task: Task, result: Result): void {
    const seconds = (performance.now() - startedMs) / 1_000;
    const left = Math.round((seconds / done) * (all.length - done));
    const seed = "seed" in task ? `, seed ${task.seed}` : "";
    process.stderr.write(`${done} of ${all.length}, ${left} s left: ${lineOf(result)}${seed}\n`);
  }
}

function lineOf(result: Result): string {
  switch (result.kind) {
    case "attack": {
      const { outcome, name } = result;
      const harmless =
        outcome.roundsUntilHarmless === null
          ? "used to the end"
          : `harmless after ${outcome.roundsUntilHarmless}`;
      return `${name}: loss ${outcome.heldOutLoss.toFixed(3)}, clean ${outcome.cleanHeldOutLoss.toFixed(3)}; ${harmless}; paid ${(100 * outcome.rewardShare).toFixed(1)} %, an honest key ${(100 * outcome.honestShare).toFixed(1)} %; honest refused ${outcome.honestRefused}; ${outcome.caughtBy.slice(0, 3).join(", ")}`;
    }
    case "detection": {
      const { copier, otherData, falseExclusions, honestSubmissions } = result.detected;
      return `detection, ${result.rule}: copier after ${copier}, other data after ${otherData}, ${falseExclusions} of ${honestSubmissions} honest excluded`;
    }
    case "sybils":
      return `${result.keys} keys over one GPU's work earn ${result.ratio.toFixed(3)} of an honest key`;
    case "cost":
      return `${result.cost.peers} peers: ${result.cost.seconds.toFixed(4)} evaluator-seconds a judged update`;
  }
}

function attackRows(all: readonly Result[]) {
  return chosen.map(({ name }) => {
    const outcomes = all.flatMap((one) => (one.kind === "attack" && one.name === name ? [one.outcome] : []));
    return {
      name,
      caughtBy: [...new Set(outcomes.flatMap((one) => one.caughtBy.slice(0, 2)))],
      roundsUntilHarmless: spreadOf(outcomes.map((one) => one.roundsUntilHarmless ?? rounds)),
      heldOutLoss: spreadOf(outcomes.map((one) => one.heldOutLoss)),
      cleanHeldOutLoss: spreadOf(outcomes.map((one) => one.cleanHeldOutLoss)),
      againstClean: spreadOf(outcomes.map((one) => one.heldOutLoss / one.cleanHeldOutLoss - 1)),
      rewardShare: spreadOf(outcomes.map((one) => one.rewardShare)),
      honestShare: spreadOf(outcomes.map((one) => one.honestShare)),
      honestRefused: spreadOf(outcomes.map((one) => one.honestRefused)),
      honestCopied: spreadOf(outcomes.map((one) => one.honestCopied)),
    };
  });
}

interface StudyFigures {
  detection: {
    copier: Record<"matrix" | "published", Spread>;
    otherData: Record<"matrix" | "published", Spread>;
    falseExclusions: number;
    honestSubmissions: number;
  };
  sybilShareRatio: Record<"5" | "20", Spread>;
  secondsPerEvaluatedPeer: Record<string, number>;
}

function studyFigures(all: readonly Result[]): StudyFigures {
  const detections = all.flatMap((one) => (one.kind === "detection" ? [one] : []));
  const after = (which: "copier" | "otherData") => {
    const of = (rule: "matrix" | "published") =>
      spreadOf(detections.filter((one) => one.rule === rule).map(({ detected }) => detected[which]));
    return { matrix: of("matrix"), published: of("published") };
  };
  const sum = (which: "falseExclusions" | "honestSubmissions") =>
    detections.reduce((total, { detected }) => total + detected[which], 0);
  const ratios = (keys: 5 | 20) =>
    spreadOf(all.flatMap((one) => (one.kind === "sybils" && one.keys === keys ? [one.ratio] : [])));
  return {
    detection: {
      copier: after("copier"),
      otherData: after("otherData"),
      falseExclusions: sum("falseExclusions"),
      honestSubmissions: sum("honestSubmissions"),
    },
    sybilShareRatio: { "5": ratios(5), "20": ratios(20) },
    secondsPerEvaluatedPeer: Object.fromEntries(
      all.flatMap((one) => (one.kind === "cost" ? [[String(one.cost.peers), one.cost.seconds]] : [])),
    ),
  };
}

/** Percentages: the middle one, and the range if there is one. */
function withRange({ median, least, greatest }: Spread, figure: (part: number) => string): string {
  const [middle, from, to] = [median, least, greatest].map(figure);
  return from === to ? `${middle} %` : `${middle} % (${from} to ${to})`;
}

function text(table: { attacks: ReturnType<typeof attackRows> } & Partial<StudyFigures>): string {
  const head = [
    "attack",
    "caught by",
    "harmless after",
    "held-out loss",
    "against clean",
    "paid",
    "honest refused",
    "taken for a copy",
  ];
  const body = table.attacks.map((row) => {
    const { median } = row.roundsUntilHarmless;
    return [
      row.name,
      row.caughtBy.slice(0, 2).join(", ") || "nothing",
      median === rounds ? "not" : `${median} rounds`,
      row.heldOutLoss.median.toFixed(3),
      withRange(row.againstClean, (part) => `${part < 0 ? "" : "+"}${(100 * part).toFixed(2)}`),
      withRange(row.rewardShare, (part) => (100 * part).toFixed(1)),
      String(row.honestRefused.greatest),
      String(row.honestCopied.greatest),
    ];
  });
  const widths = head.map((title, i) => Math.max(title.length, ...body.map((row) => (row[i] ?? "").length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  const lines = [head, ...body].map(line);
  const { detection, sybilShareRatio, secondsPerEvaluatedPeer } = table;
  if (detection === undefined || sybilShareRatio === undefined || secondsPerEvaluatedPeer === undefined)
    return lines.join("\n");
  const spread = ({ median, least, greatest }: Spread, digits = 0) =>
    `${median.toFixed(digits)} (${least.toFixed(digits)} to ${greatest.toFixed(digits)})`;
  return [
    ...lines,
    "",
    "rounds until a cheat stands below every honest peer   matrix        own minus random",
    `  copier                                              ${spread(detection.copier.matrix).padEnd(14)}${spread(detection.copier.published)}`,
    `  trains others' data                                 ${spread(detection.otherData.matrix).padEnd(14)}${spread(detection.otherData.published)}`,
    `honest submissions excluded: ${detection.falseExclusions} of ${detection.honestSubmissions}`,
    `keys over one GPU's work, against one honest key: 5 keys ${spread(sybilShareRatio["5"], 2)}, 20 keys ${spread(sybilShareRatio["20"], 2)}`,
    `evaluator-seconds a judged update: ${CROWDS.map((peers) => `${(secondsPerEvaluatedPeer[String(peers)] ?? Number.NaN).toFixed(4)} with ${peers} peers`).join(", ")}`,
  ].join("\n");
}
