/**
 * The table at the end of `up`.
 *
 * @module
 */
import { styleText } from "node:util";
import type { RunResult } from "../../schemas/index.ts";
import { kilobytes } from "./display.ts";

/** `page`: where the page is still served, if it is. */
export function summaryText(result: RunResult, page: string | null, dataDir: string): string {
  const { rounds, peers } = result;
  const last = rounds.at(-1);
  const rows = peers.map(({ peer, behaviour }) => {
    const used = rounds.filter(({ selected }) => selected.includes(peer)).length;
    const refused = rounds.flatMap((round) => round.refused.filter((one) => one.peer === peer));
    return [peer.slice(0, 8), behaviour, String(used), String(refused.length), refused.at(-1)?.reason ?? ""];
  });
  const agree = rounds.filter(({ stateHash, peerStateHashes }) =>
    peers.every(({ peer }) => peerStateHashes[peer] === stateHash),
  ).length;
  const overhead = rounds.map(({ seconds }) => seconds.total - seconds.train).sort((a, b) => a - b);
  return [
    "",
    table(["peer", "behaviour", "selected", "not used", "last reason"], rows),
    "",
    `held-out loss   ${result.initialHeldOutLoss.toFixed(3)} -> ${result.finalHeldOutLoss.toFixed(3)} nats/token in ${rounds.length} rounds, ${result.wallSeconds.toFixed(1)} s`,
    `parameters      bit-identical on every peer in ${agree} of ${rounds.length} rounds${last ? `, now ${last.stateHash.slice(0, 16)}` : ""}`,
    `payload         ${kilobytes((last?.bytesUp ?? 0) / Math.max(1, peers.length))} a peer and round, ${result.compressionFactor.payload.toFixed(1)} times smaller than dense float32 (a chunk: ${result.compressionFactor.chunk.toFixed(1)})`,
    `beside training ${(overhead[Math.floor(overhead.length / 2)] ?? 0).toFixed(2)} s a round (median); codec ${result.codec}`,
    `bucket          ${result.bucket}`,
    "",
    styleText("bold", "next"),
    ...(page === null ? [] : [`  ${page}    the page, until Ctrl-C`]),
    `  npm run outerloop -- status --data-dir ${dataDir}`,
    "  npm start -- --saboteurs 2 --peers 6    another run, with more sabotage",
    ...(page === null
      ? ["  npm start -- --keep                     another run, and the page stays up"]
      : []),
  ].join("\n");
}

function table(head: string[], rows: string[][]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const text = (row: string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return [styleText("bold", text(head)), ...rows.map(text)].join("\n");
}
