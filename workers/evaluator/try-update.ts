/**
 * Tries an update: theta' = theta - b * c_p * update_p, as a copy.
 *
 * Losses are compared with a tolerance, never by bits, so the order of these roundings is nobody's business.
 *
 * @module
 */
import {
  type Close,
  commit as commitSchema,
  f32FromHex,
  hashOf,
  type KeepCount,
  keys,
  OuterloopError,
  parseCanonical,
  sha256,
  signed,
} from "../../schemas/index.ts";
import type { RunView } from "../replica/run-view.ts";

/** The payload of one submission: its shards, checked against the commit that the close names. */
export interface Payload {
  peer: string;
  shards: Uint8Array[];
}

/** Downloads the submissions of a job. Typed error `wrong-payload`: what came is not what was committed. */
export async function downloadPayloads(
  view: RunView,
  close: Close,
  peers: readonly string[],
): Promise<Payload[]> {
  const { run, api, layout } = view;
  const wanted = peers.flatMap((peer) => [
    keys.commit(run, close.round, peer),
    ...layout.shards.map(({ number }) => keys.upload(run, close.round, peer, number)),
  ]);
  const { tickets } = await api.readTickets(run, wanted);
  const bytes = await Promise.all(tickets.map(({ ticket }) => api.download(ticket)));
  const perPeer = 1 + layout.shards.length;
  return peers.map((peer, i) => {
    const [commitBytes, ...shards] = bytes.slice(i * perPeer, (i + 1) * perPeer);
    const expected = close.submissions.find((submission) => submission.peer === peer)?.commit;
    const commit = commitBytes ? parseCanonical(signed(commitSchema), commitBytes, "commit").body : null;
    if (commit === null || hashOf(commit) !== expected)
      throw wrongPayload(peer, "its commit is not the one that was settled");
    return {
      peer,
      shards: shards.map((shard, number) => {
        if (shard === null || sha256(shard) !== commit.shards[number]?.sha256) {
          throw wrongPayload(peer, `shard ${number} is not the committed one`);
        }
        return shard;
      }),
    };
  });
}

/** theta - b * c_p * update, f32 [parameters]. */
export function triedParameters(
  view: RunView,
  theta: Float32Array,
  close: Close,
  keep: KeepCount,
  payload: Payload,
): Float32Array {
  const { layout, codec } = view;
  const clip = close.submissions.find(({ peer }) => peer === payload.peer)?.clip;
  if (clip === null || clip === undefined)
    throw wrongPayload(payload.peer, "it has no clip factor: it was not included");
  const factor = -f32FromHex(close.plan.step) * f32FromHex(clip);
  const tried = theta.slice();
  for (const [shard, bytes] of payload.shards.entries()) {
    codec.addScaled(codec.parseShard(bytes, { layout, shard, round: close.round, k: keep }), factor, tried);
  }
  return tried;
}

function wrongPayload(peer: string, why: string): OuterloopError {
  return new OuterloopError("wrong-payload", `the submission of ${peer} cannot be tried: ${why}`, { peer });
}
