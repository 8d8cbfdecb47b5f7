/**
 * `outerloop simulate --peers N`: what a round costs the coordinator, and how that grows.
 *
 * @module
 */
import { line, type ScaleResult, simulateScale } from "./scale.ts";

/** The line of operations is drawn through this many peers and the number asked for. */
const FEW_PEERS = 100;

/** The command; returns its exit status. */
export async function scaleCommand(peers: number, json: boolean): Promise<number> {
  const progress = json ? process.stderr : process.stdout;
  const startedMs = performance.now();
  const onPhase = (phase: string) => {
    progress.write(`${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(7)} s  ${phase}\n`);
  };
  const few = await simulateScale(Math.min(FEW_PEERS, Math.max(2, Math.floor(peers / 2))), onPhase);
  const many = await simulateScale(peers, onPhase);
  if (json) {
    const { peers: count, rounds, wallSeconds, perSubmission } = many;
    process.stdout.write(
      `${JSON.stringify({ peers: count, rounds, wallSeconds, perSubmission, line: line(few, many) })}\n`,
    );
    return 0;
  }
  process.stdout.write(`\n${[few, many].map(costsText).join("\n")}\n\n${lineText(few, many)}\n`);
  return 0;
}

function costsText({ peers, wallSeconds, roundSeconds, perSubmission, requests }: ScaleResult): string {
  const { storeOperations, bytes, functionSeconds, dollars } = perSubmission;
  return [
    `${peers} peers: a round of ${roundSeconds.toFixed(0)} virtual seconds in ${wallSeconds.toFixed(1)} s`,
    `  a submission: ${storeOperations.toFixed(1)} store operations, ${(bytes / 1_000).toFixed(1)} kB, ` +
      `${functionSeconds.toFixed(2)} function-seconds, $${dollars.toFixed(6)}`,
    `  all in all: ${Object.entries(requests)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ")}`,
  ].join("\n");
}

function lineText(few: ScaleResult, many: ScaleResult): string {
  const { slope, fixed } = line(few, many);
  return `store operations of a round: ${slope.toFixed(1)} * peers + ${fixed.toFixed(0)}`;
}
