/**
 * A peer by hand: each step of the protocol as a call, so that a test can take a wrong one.
 *
 * @module
 */
import { createApiClient } from "../../functions/api/client.ts";
import { roundWindows } from "../../functions/coordinator/assignment.ts";
import { type Commit, keys, type Roster, type SigningKey, signToBytes } from "../../schemas/index.ts";
import { compressRound } from "../../workers/peer/compress.ts";
import { createInnerLoop } from "../../workers/peer/inner-loop.ts";
import type { PeerState, PendingUpdate } from "../../workers/peer/peer-state.ts";
import { newestState, stateHash } from "../../workers/replica/parameters.ts";
import { openRunView, type RunView, requireSigned } from "../../workers/replica/run-view.ts";
import { loadTokens } from "../../workers/replica/tokens.ts";
import { type EmbeddedRun, keyOf } from "./embedded-run.ts";

export interface ScriptedPeer {
  key: SigningKey;
  view: RunView;
  /** Registers and announces round 1. */
  announce(): Promise<void>;
  /** Waits for the roster of round 1. */
  roster(): Promise<Roster>;
  /** Trains honestly for round 1 and compresses. */
  work(roster: Roster): Promise<PendingUpdate>;
  commit(commit: Commit): ReturnType<RunView["api"]["commit"]>;
  upload(answer: Awaited<ReturnType<RunView["api"]["commit"]>>, shards: readonly Uint8Array[]): Promise<void>;
}

export async function scriptedPeer(
  embedded: EmbeddedRun,
  name: string,
  folder: string,
): Promise<ScriptedPeer> {
  const { run, url } = embedded;
  const key = keyOf(name);
  const api = createApiClient({ coordinator: url, key, patienceSeconds: 5 });
  const view = await openRunView(api, run);
  const start = await newestState(view, 0);
  const zeros = () => new Float32Array(view.layout.parameters);
  return {
    key,
    view,
    async announce() {
      await api.register(
        run,
        signToBytes("registration", run, { run, peer: key.publicKey, recoveryKey: null }, key),
      );
      const intent = {
        round: 1,
        peer: key.publicKey,
        manifest: start.manifest,
        stateHash: stateHash(view, start.theta),
        leaving: false,
      };
      await api.announce(run, 1, signToBytes("intent", run, intent, key));
    },
    async roster() {
      await embedded.until(({ phase }) => phase !== "gather");
      return (await requireSigned(view, "roster", keys.roster(run, 1))).body;
    },
    async work(roster) {
      const { config } = view.genesis.body;
      const inner = await createInnerLoop(config, await loadTokens(view, folder));
      const before: PeerState = {
        round: 0,
        manifest: start.manifest,
        innerSteps: 0,
        parameters: start.theta,
        error: zeros(),
        m: zeros(),
        v: zeros(),
        pending: null,
      };
      const trained = await inner.train({
        start: before,
        round: 1,
        config,
        position: roster.peers.findIndex(({ peer }) => peer === key.publicKey),
        windows: roundWindows(roster.seed, view.data, config, roster.peers.length),
        onStep: () => {},
      });
      await inner.close();
      const { pending } = await compressRound(view, key.publicKey, roster, before, trained);
      if (pending === null) throw new Error("compression leaves a pending update");
      return pending;
    },
    commit: (commit) => api.commit(run, 1, signToBytes("commit", run, commit, key)),
    async upload({ tickets }, shards) {
      for (const { shard, ticket } of tickets) await api.upload(ticket, shards[shard] ?? new Uint8Array());
    },
  };
}
