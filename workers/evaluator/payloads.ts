/**
 * Submissions as an evaluator gets them: each shard checked against the commit that the close names.
 *
 * @module
 */
import type { ParsedShard } from "../../native/codec.ts";
import {
  type Close,
  type Commit,
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

/** One submission, parsed. */
export interface Payload {
  peer: string;
  /** c_p */
  clip: number;
  shards: { sha256: string; parsed: ParsedShard }[];
}

/**
 * Downloads submissions of a closed round one after the other; the next one is on its way while the last one is worked on.
 * Typed error `wrong-payload`: what came is not what was committed.
 */
export async function* payloadsOf(
  view: RunView,
  close: Close,
  keep: KeepCount,
  peers: readonly string[],
): AsyncGenerator<Payload> {
  const { run, api, layout } = view;
  const keysOf = (peer: string) => [
    keys.commit(run, close.round, peer),
    ...layout.shards.map(({ number }) => keys.upload(run, close.round, peer, number)),
  ];
  const fetchPayload = async (peer: string): Promise<Payload> => {
    const { tickets } = await api.readTickets(run, keysOf(peer));
    const [ofCommit, ...ofShards] = tickets.map(({ ticket }) => ticket);
    const bytes = ofCommit === undefined ? null : await api.download(ofCommit);
    const commit = checkedCommit(close, peer, bytes);
    // No more than was committed, so that nobody's store can send without end.
    const shards = await Promise.all(
      ofShards.map((ticket, shard) => api.download(ticket, commit.shards[shard]?.sizeBytes)),
    );
    return checkedPayload(view, close, keep, commit, shards);
  };
  const start = (peer: string) => {
    const coming = fetchPayload(peer);
    // Whoever stops before it has come must not be surprised by its failure.
    coming.catch(() => {});
    return coming;
  };
  let next = peers[0] === undefined ? null : start(peers[0]);
  for (let i = 0; next !== null; i++) {
    const payload = await next;
    const following = peers[i + 1];
    next = following === undefined ? null : start(following);
    yield payload;
  }
}

function checkedCommit(close: Close, peer: string, bytes: Uint8Array | null): Commit {
  const commit = bytes === null ? null : parseCanonical(signed(commitSchema), bytes, "commit").body;
  const settled = close.submissions.find((submission) => submission.peer === peer);
  if (commit === null || hashOf(commit) !== settled?.commit)
    throw wrongPayload(peer, "its commit is not the one that was settled");
  return commit;
}

function checkedPayload(
  { layout, codec }: RunView,
  close: Close,
  keep: KeepCount,
  { peer, shards }: Commit,
  objects: readonly (Uint8Array | null)[],
): Payload {
  const clip = close.submissions.find((submission) => submission.peer === peer)?.clip ?? null;
  if (clip === null) throw wrongPayload(peer, "it has no clip factor: it was not included");
  return {
    peer,
    clip: f32FromHex(clip),
    shards: objects.map((bytes, shard) => {
      const committed = shards[shard]?.sha256;
      if (bytes === null || committed === undefined || sha256(bytes) !== committed)
        throw wrongPayload(peer, `shard ${shard} is not the committed one`);
      const parsed = codec.parseShard(bytes, { layout, shard, round: close.round, k: keep });
      return { sha256: committed, parsed };
    }),
  };
}

function wrongPayload(peer: string, why: string): OuterloopError {
  return new OuterloopError("wrong-payload", `the submission of ${peer} cannot be tried: ${why}`, { peer });
}
