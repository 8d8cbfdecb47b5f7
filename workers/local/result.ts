/**
 * The result of a run, read from its bucket: nothing in it is remembered by the process that prints it, but who was a
 * saboteur and when workers reported.
 *
 * @module
 */

import { readForeignFact } from "../../functions/rounds/objects.ts";
import type { RunContext } from "../../functions/rounds/run-context.ts";
import { readStatus } from "../../functions/rounds/status.ts";
import { shardSizeBytes } from "../../native/codec.ts";
import { recordFormat } from "../../native/record.ts";
import { keys, OuterloopError, type RunResult, type RunStatus, valueInRound } from "../../schemas/index.ts";
import { roundSeconds, type Timeline } from "./timeline.ts";

export interface ResultInputs {
  context: RunContext;
  bucket: string;
  wallSeconds: number;
  peers: { peer: string; behaviour: string }[];
  timeline: Timeline;
}

export async function buildResult({
  context,
  bucket,
  wallSeconds,
  peers,
  timeline,
}: ResultInputs): Promise<RunResult> {
  const status = await readStatus(context);
  const { config, parameters } = context.genesis.body;
  const keep = valueInRound(config.outer.keep, 1);
  const payloadBytes = context.layout.shards.reduce((sum, shard) => sum + shardSizeBytes(shard, keep), 0);
  return {
    run: context.run,
    bucket,
    codec: context.codec.backend,
    wallSeconds,
    peers,
    rounds: await Promise.all(
      status.history.map(async (summary) => ({
        round: summary.round,
        heldOutLoss: required(summary.heldOutLoss, summary.round, "held-out loss"),
        selected: summary.selected,
        refused: summary.refused.map(({ peer, reason }) => ({ peer, reason })),
        bytesUp: summary.bytesUp,
        bytesDown: summary.bytesDown,
        seconds: await roundSeconds(context, timeline, summary.round),
        stateHash: required(summary.stateHash, summary.round, "state"),
        peerStateHashes: await peerStateHashes(context, summary.round, peers),
      })),
    ),
    initialHeldOutLoss: required(status.initialHeldOutLoss, 0, "held-out loss"),
    finalHeldOutLoss: required(finalLoss(status), status.history.length, "held-out loss"),
    compressionFactor: {
      payload: (4 * parameters) / payloadBytes,
      chunk: 16_384 / recordFormat(keep).recordBytes,
    },
  };
}

/** True once nothing of a run is outstanding: every round, state and held-out loss is there. */
export function isComplete(status: RunStatus): boolean {
  return (
    status.phase === "finished" &&
    status.initialHeldOutLoss !== null &&
    status.history.every(({ heldOutLoss, stateHash }) => heldOutLoss !== null && stateHash !== null)
  );
}

function finalLoss(status: RunStatus): number | null {
  return status.history.at(-1)?.heldOutLoss ?? status.initialHeldOutLoss;
}

function required<T>(value: T | null, round: number, what: string): T {
  if (value !== null) return value;
  throw new OuterloopError("missing-fact", `the ${what} of round ${round} is not published`);
}

/** What each peer signed about its own parameters when it announced the next round. */
async function peerStateHashes(
  context: RunContext,
  round: number,
  peers: readonly { peer: string }[],
): Promise<Record<string, string>> {
  const found = await Promise.all(
    peers.map(async ({ peer }) => {
      const intent = await readForeignFact(
        context,
        "intent",
        keys.intent(context.run, round + 1, peer),
        peer,
      );
      return intent === null ? [] : [[peer, intent.body.stateHash] as const];
    }),
  );
  return Object.fromEntries(found.flat());
}
