/**
 * How many requests a submission and a round cost: two runs, with few peers and with more, whose store and queues are
 * reached through proxies that count.
 *
 * The coordinator is one process that keeps what it has verified. The sweep is put off, so that only events set work
 * going; no deadline passes; nobody else looks at the run.
 *
 * @module
 */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { createLayout } from "../../../native/codec.ts";
import { OuterloopError, type RunConfig, tensorsOf } from "../../../schemas/index.ts";
import { startProxy } from "../../../test/services/proxy.ts";
import { REGION } from "../../../test/services/services.ts";
import { startEmbeddedRun } from "../../../test/support/embedded-run.ts";
import { quickStartConfig } from "../../local/quick-start.ts";
import { provision } from "../../operator/provision.ts";
import { storageOptions } from "../../operator/storage-options.ts";
import type { RequestCounts } from "../result.ts";
import { dollarsOf } from "./request-costs.ts";
import { type CountedRun, countByRound, linesThrough, type SeenRequest } from "./request-counts.ts";
import { environmentOf, type Stacks } from "./stacks.ts";

const FEW_PEERS = 2;
const MANY_PEERS = 6;
/** Longer than any run. */
const SWEEP_MS = 3_600_000;

/** Counts rounds 2 to `rounds` - 1: the first has to begin, and nothing tells where the last one ends. */
export async function countRequests(
  stacks: Stacks,
  rounds: number,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<RequestCounts> {
  const count = async (peers: number) => {
    onLine(`requests: ${rounds} rounds with ${peers} peers through a proxy`);
    return countedRun(stacks, configOf(rounds, peers), peers, signal);
  };
  const few = await count(FEW_PEERS);
  const many = await count(MANY_PEERS);
  const requests = linesThrough(few, many);
  const cost = (of: "perSubmission" | "perRound") =>
    1_000 * dollarsOf(requests.map((line) => ({ kind: line.kind, count: line[of].median })));
  const { model, outer } = configOf(rounds, FEW_PEERS);
  return {
    shards: createLayout(tensorsOf(model), outer.chunksPerShard).shards.length,
    rounds: few.rounds.length,
    peers: [FEW_PEERS, MANY_PEERS],
    requests,
    dollarsPerThousandSubmissions: cost("perSubmission"),
    dollarsPerThousandRounds: cost("perRound"),
  };
}

/** The quick start's run, with deadlines that do not pass and less held-out text. */
function configOf(rounds: number, peers: number): RunConfig {
  return {
    ...quickStartConfig({ rounds, peers, deterministic: true }),
    heldOut: { windows: 16, everyRounds: 1 },
  };
}

async function countedRun(
  { minio, localStack, events }: Stacks,
  config: RunConfig,
  peers: number,
  signal: AbortSignal,
): Promise<CountedRun> {
  // The coordinator is part of this process, and finds its credentials where it always does.
  Object.assign(process.env, environmentOf(minio));
  const seen: SeenRequest[] = [];
  const see = ({ method = "", url = "", headers }: IncomingMessage) =>
    void seen.push({ method, url, target: headers["x-amz-target"]?.toString() });
  const proxies = [
    await startProxy(minio.endpoint, undefined, see),
    await startProxy(localStack.endpoint, undefined, see),
  ];
  try {
    const storage = storageOptions({
      endpoint: proxies[0]?.endpoint,
      queueEndpoint: proxies[1]?.endpoint,
      bucket: `counted-${peers}`,
      region: REGION,
    });
    await provision(storage, signal);
    const running = await startEmbeddedRun({
      config,
      storage: { kind: "s3", ...storage },
      port: events.port,
      notificationToken: events.token,
      sweepMs: SWEEP_MS,
    });
    try {
      const done = Array.from({ length: peers }, (_, i) => running.peer(`peer-${i}`).done);
      await Promise.race([Promise.all(done), stopped(signal)]);
      signal.throwIfAborted();
      await requireApplied(running);
      return { peers, rounds: countedRounds(seen, config.rounds) };
    } finally {
      await running.close();
    }
  } finally {
    for (const proxy of proxies) await proxy.close();
  }
}

function countedRounds(seen: readonly SeenRequest[], rounds: number): CountedRun["rounds"] {
  const counts = countByRound(seen);
  return [...counts].filter(([round]) => round > 1 && round < rounds).map(([, count]) => count);
}

/** A round that comes to nothing takes fewer requests (`run-failed`). */
async function requireApplied({ status, faults }: Awaited<ReturnType<typeof startEmbeddedRun>>) {
  const { history } = await status();
  const other = history.find(({ outcome }) => outcome !== "applied");
  if (other === undefined && faults.length === 0) return;
  const why = other === undefined ? faults.join("; ") : `round ${other.round} was ${other.outcome}`;
  throw new OuterloopError("run-failed", `requests cannot be counted in this run: ${why}; try again`);
}

async function stopped(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}
