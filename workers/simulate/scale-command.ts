/**
 * `outerloop simulate --peers N`: what a round costs the coordinator, and how that grows.
 *
 * @module
 */
import { fittedLine, type ScaleResult, simulateScale } from "./scale.ts";

/** The line of operations is drawn through so many peers, and the number asked for: two alone would fit any line. */
const FEW_PEERS = [20, 100];
const SIZES_OF_A_LINE = 3;

/** The command; returns its exit status. */
export async function scaleCommand(peers: number, json: boolean): Promise<number> {
  const progress = json ? process.stderr : process.stdout;
  const startedMs = performance.now();
  const onPhase = (phase: string) => {
    progress.write(`${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(7)} s  ${phase}\n`);
  };
  const results: ScaleResult[] = [];
  for (const size of [...FEW_PEERS.filter((few) => few < peers), peers])
    results.push(await simulateScale(size, onPhase));
  const many = results.at(-1) as ScaleResult;
  progress.write(`\n${results.map(costsText).join("\n")}\n`);
  if (results.length >= SIZES_OF_A_LINE) progress.write(`\n${lineText(fittedLine(results))}\n`);
  if (json) {
    const { rounds, wallSeconds, perSubmission } = many;
    process.stdout.write(`${JSON.stringify({ peers, rounds, wallSeconds, perSubmission })}\n`);
  }
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

function lineText({ slope, fixed, error }: ReturnType<typeof fittedLine>): string {
  return `store operations of a round: ${slope.toFixed(1)} * peers + ${fixed.toFixed(0)}, within ${(100 * error).toFixed(1)} %`;
}
