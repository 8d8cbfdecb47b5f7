/**
 * What a finished run has left behind, read anew: objects that name one another, a receipt for everybody, one state, and
 * not more than that.
 *
 * @module
 */
import { emptyLedger, type Ledger, ledgerAfter } from "../../functions/coordinator/ledger.ts";
import { type FinishedRound, receiptsOf } from "../../functions/coordinator/receipts.ts";
import { closeLink, rosterLink, verifiesLink } from "../../functions/coordinator/seed-chain.ts";
import { stateHash } from "../../functions/coordinator/state-check.ts";
import { ratingSettings, readFinishedRound } from "../../functions/rounds/history.ts";
import { readFact, requireFact } from "../../functions/rounds/objects.ts";
import { openRun, type RunContext } from "../../functions/rounds/run-context.ts";
import { listAll, type ObjectStore } from "../../functions/storage/object-store.ts";
import { hashOf, keys, type LedgerEntry, type Receipt, sha256 } from "../../schemas/index.ts";
import { bytesOf } from "../replica/parameters.ts";
import type { Bucket } from "./bucket.ts";
import type { SimulatedPeer } from "./members.ts";
import type { Seen } from "./seen.ts";
import type { Acknowledged } from "./submissions.ts";

/** Objects of a run, of a round, and of a peer in a round at two shards: a little more than was ever there. */
const OBJECTS = { perRun: 16, perRound: 30, perPeer: 7 };
const MESSAGES_PER_PEER = 8;
/** A job that nobody takes is asked for again so often; each may be doubled. */
const JOB_AGAIN_MS = 180_000;

/** `disk`: the store, unobserved. Reads with a memory of its own: what the watch has read before proves nothing now. */
export async function checkHistory(
  seen: Seen,
  disk: ObjectStore,
  acknowledged: readonly Acknowledged[],
): Promise<void> {
  const reader = await openRun(disk, seen.run);
  let previous = { manifest: reader.genesis.hash, stateHash: reader.genesis.body.state.stateHash };
  let ledger = emptyLedger;
  for (let round = 1; round <= reader.genesis.body.config.rounds; round++) {
    const finished = await readFinishedRound(reader, round);
    await checkLinks(seen, reader, finished, previous.manifest);
    await checkAggregates(seen, reader, finished, previous.stateHash);
    await checkReceipts(seen, reader, finished, acknowledged);
    ledger = await checkLedger(seen, reader, finished, ledger);
    previous = {
      manifest: finished.manifest.hash,
      stateHash: await checkState(seen, reader, finished, previous.stateHash),
    };
  }
}

/** Every object names those before it, and draws from its link of the seed chain. */
async function checkLinks(
  { word, fail }: Seen,
  reader: RunContext,
  { roster, close, selection, manifest }: FinishedRound,
  previousManifest: string,
): Promise<void> {
  const { round } = roster.body;
  const cutoff = await requireFact(reader, "cutoff", keys.cutoff(reader.run, round));
  const links: [string, string, string][] = [
    ["the roster", roster.body.previousManifest, previousManifest],
    ["the cutoff", cutoff.body.roster, roster.hash],
    ["the close", close.body.roster, roster.hash],
    ["the close", close.body.cutoff, cutoff.hash],
    ["the selection", selection.body.close, close.hash],
    ["the manifest", manifest.body.previousManifest, previousManifest],
    ["the manifest", manifest.body.roster, roster.hash],
    ["the manifest", manifest.body.cutoff, cutoff.hash],
    ["the manifest", manifest.body.close, close.hash],
    ["the manifest", manifest.body.selection, selection.hash],
  ];
  const broken = links.find(([, named, standing]) => named !== standing);
  if (broken !== undefined)
    fail(
      "there is one history",
      `${broken[0]} of round ${round} names another object than the one that stands`,
    );
  if (!word.configs.has(roster.body.config))
    fail("there is one history", `round ${round} runs under a configuration that nobody announced`);
  const { seedChain } = reader.genesis.body;
  const anchor = { index: 0, link: seedChain.anchor };
  for (const [link, seed] of [
    [rosterLink(round), roster.body.seed],
    [closeLink(round), close.body.seed],
  ] as const) {
    if (!verifiesLink(seedChain.id, link, seed, anchor))
      fail("there is one history", `a seed of round ${round} is not of the chain`);
  }
}

async function checkAggregates(
  { fail }: Seen,
  { run, layout, store }: RunContext,
  { manifest: { body } }: FinishedRound,
  previousState: string,
): Promise<void> {
  const { round, outcome, set, guard, aggregates, baseState } = body;
  const shards = outcome === "applied" ? layout.shards.map(({ number }) => number) : [];
  if (aggregates.map(({ shard }) => shard).join() !== shards.join())
    fail("there is one history", `manifest ${round} is ${outcome} and names ${aggregates.length} aggregates`);
  if (
    (set !== null) !== (outcome === "applied") ||
    (set !== null && !guard.some((one) => one.set === set && one.passed))
  )
    fail(
      "there is one history",
      `manifest ${round} is ${outcome} with the sum ${set}, which no guard let pass`,
    );
  if (set === null) return checkBase();
  for (const { shard, sha256: named } of aggregates) {
    const object = await store.get(keys.aggregate(run, round, shard, set));
    if (object === null || sha256(object.bytes) !== named)
      fail("there is one history", `manifest ${round} names another aggregate of shard ${shard}`);
  }
  checkBase();

  function checkBase(): void {
    if (baseState !== null && (baseState.round !== round - 1 || baseState.stateHash !== previousState))
      fail(
        "there is one history",
        `manifest ${round} builds on another state than that of round ${round - 1}`,
      );
  }
}

/** One for each peer of the roster and each commit: the very one that was acknowledged, with its verdict. */
async function checkReceipts(
  { fail }: Seen,
  reader: RunContext,
  finished: FinishedRound,
  acknowledged: readonly Acknowledged[],
): Promise<void> {
  const { round, peers } = finished.roster.body;
  const broken = (message: string) => fail("every peer has its receipt", `round ${round}: ${message}`);
  const receipts: Receipt[] = [];
  for (let page = 0; ; page++) {
    const fact = await readFact(reader, "receipts", keys.receipts(reader.run, round, page));
    if (fact === null) break;
    receipts.push(...fact.body.receipts);
  }
  const commits = finished.close.body.submissions;
  const expected = new Map<string, string | null>([
    ...peers.map(({ peer }) => [peer, null] as const),
    ...commits.map(({ peer, commit }) => [peer, commit] as const),
    ...acknowledged.filter((one) => one.round === round).map(({ peer, commit }) => [peer, commit] as const),
  ]);
  for (const [peer, commit] of expected) {
    const own = receipts.filter((one) => one.peer === peer);
    if (own.length !== 1 || own[0]?.commit !== commit)
      broken(`${own.length} receipts of ${peer.slice(0, 8)}, none of them or not one of its commit`);
  }
  if (receipts.length !== expected.size) broken(`${receipts.length} receipts of ${expected.size} peers`);
  if (hashOf(receipts) !== hashOf(receiptsOf(finished))) broken("receipts do not follow from its objects");
}

/** By the arithmetic that wrote it: this finds a ledger of other objects, and none that is reckoned wrongly. */
async function checkLedger(
  { fail }: Seen,
  reader: RunContext,
  finished: FinishedRound,
  before: Ledger,
): Promise<Ledger> {
  const { round } = finished.manifest.body;
  const ledger = ledgerAfter(before, finished, ratingSettings(reader.genesis.body));
  const written: LedgerEntry[] = [];
  for (let page = 0; ; page++) {
    const fact = await readFact(reader, "ledger", keys.ledger(reader.run, round, page));
    if (fact === null) break;
    written.push(...fact.body.entries);
  }
  if (hashOf(written) !== hashOf([...ledger.entries.values()]))
    fail("there is one history", `the ledger of round ${round} does not follow from its objects`);
  return ledger;
}

/** The state after a round names its manifest and its bytes; only an applied round changes it. Returns its hash. */
async function checkState(
  { fail }: Seen,
  reader: RunContext,
  { manifest }: FinishedRound,
  before: string,
): Promise<string> {
  const { round, outcome } = manifest.body;
  const body = (await readFact(reader, "state", keys.state(reader.run, round)))?.body;
  const hashes: string[] = [];
  for (const { number } of reader.layout.shards) {
    const object = await reader.store.get(keys.stateShard(reader.run, round, number));
    hashes.push(sha256(object?.bytes ?? new Uint8Array()));
  }
  if (body === undefined) {
    fail("there is one history", `the state of round ${round} was never published`);
    return "";
  }
  if (body.manifest !== manifest.hash || body.stateHash !== stateHash(hashes))
    fail("there is one history", `the state of round ${round} is not that of its manifest and shards`);
  if (outcome !== "applied" && body.stateHash !== before)
    fail("there is one history", `round ${round} was ${outcome}, and changed the parameters`);
  return body.stateHash;
}

/** Every process of an honest peer has what was published, and at the end of the run the last of it. */
export async function checkPeers(
  { run, genesis, layout, fail }: Seen,
  disk: ObjectStore,
  peers: readonly SimulatedPeer[],
): Promise<void> {
  const differs = (message: string) => fail("honest peers hold the published state", message);
  for (const { name, lie, saved, stays, finished } of peers) {
    if (lie !== null) continue;
    const states = saved();
    for (const { round, parameters } of states) {
      const own = stateHash(
        layout.shards.map(({ first, elements }) => sha256(bytesOf(parameters, first, elements))),
      );
      if (own !== (await publishedHash(disk, run, genesis.state.stateHash, round)))
        differs(`${name} holds another state than the published one after round ${round}`);
    }
    const newest = Math.max(...states.map(({ round }) => round));
    if (stays && finished() && newest !== genesis.config.rounds)
      differs(`${name} ended after round ${newest}`);
  }
}

async function publishedHash(
  disk: ObjectStore,
  run: string,
  genesis: string,
  round: number,
): Promise<string> {
  if (round === 0) return genesis;
  const object = await disk.get(keys.state(run, round));
  return object === null ? "" : JSON.parse(new TextDecoder().decode(object.bytes)).body.stateHash;
}

export async function checkStorage(
  { run, genesis, fail }: Seen,
  disk: ObjectStore,
  bucket: Bucket,
  peers: number,
  livedMs: number,
): Promise<void> {
  const { rounds } = genesis.config;
  let objects = 0;
  for (const top of ["active/", "public/", "sealed/", "uploads/", "views/"])
    objects += (await Array.fromAsync(listAll(disk, top))).length;
  const mostObjects = OBJECTS.perRun + rounds * (OBJECTS.perRound + peers * OBJECTS.perPeer);
  if (objects > mostObjects)
    fail("storage is bounded", `${objects} objects after ${rounds} rounds of ${peers} peers`);
  const jobs = 2 * (rounds + 1) * (1 + livedMs / JOB_AGAIN_MS);
  const messages = [bucket.ticks.longest(), bucket.shards.longest(), bucket.jobs.longest() - jobs];
  if (Math.max(...messages) > peers * MESSAGES_PER_PEER)
    fail("storage is bounded", `${messages.join(", ")} messages in the queues of ${peers} peers`);
  if ((await disk.head(keys.active(run))) !== null)
    fail("storage is bounded", "the sweep still looks after a run that has ended");
}
