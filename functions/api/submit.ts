/**
 * What a peer may store through the API, and the checks before it is stored. Each of these is created once by
 * (run, round, peer): sent again with the same bytes it succeeds again, with others it is refused.
 *
 * @module
 */

import type { z } from "zod";
import { shardSizeBytes } from "../../native/codec.ts";
import {
  type CommitAnswer,
  commit as commitSchema,
  hashOf,
  intent as intentSchema,
  keys,
  OuterloopError,
  type Roster,
  registration as registrationSchema,
  signBody,
  toInstant,
  toMilliseconds,
  type uploadTicket,
  verifyBytes,
} from "../../schemas/index.ts";
import type { Fact } from "../coordinator/facts.ts";
import { readManifest } from "../rounds/history.ts";
import { readFact, readForeignFact } from "../rounds/objects.ts";
import type { RunContext } from "../rounds/run-context.ts";
import type { ApiEnvironment } from "./environment.ts";

/** A ticket lives this long at most; a peer asks for another one. */
const TICKET_MS = 15 * 60 * 1_000;

export type Stored = { outcome: "created" | "exists"; key: string };

async function storeOnce(
  context: RunContext,
  key: string,
  bytes: Uint8Array,
  conflict: string,
): Promise<Stored> {
  const put = await context.store.putIfAbsent(key, bytes);
  if (put.outcome === "created") return { outcome: "created", key };
  if (Buffer.compare(put.object.bytes, bytes) === 0) return { outcome: "exists", key };
  throw new OuterloopError(conflict, `${key} stands already, with other content; the first one counts`, {
    key,
  });
}

function sameSigner(signer: string, claimed: string): void {
  if (signer === claimed) return;
  throw new OuterloopError(
    "wrong-signer",
    `the request is signed by ${signer}, its body speaks for ${claimed}`,
  );
}

function samePath(what: string, path: unknown, body: unknown): void {
  if (path === body) return;
  throw new OuterloopError("wrong-body", `the path says ${what} ${String(path)}, the body ${String(body)}`);
}

/** `POST /runs/{run}/peers`: anybody may. */
export async function register(context: RunContext, signer: string, bytes: Uint8Array): Promise<Stored> {
  const { body } = verifyBytes("registration", context.run, registrationSchema, bytes, { allOf: [signer] });
  sameSigner(signer, body.peer);
  samePath("run", context.run, body.run);
  return storeOnce(context, keys.peer(context.run, body.peer), bytes, "already-registered");
}

/**
 * `POST /runs/{run}/rounds/{round}/intents`. Also accepted when the roster stands already: the peer missed the round,
 * but its signed state hash is worth keeping.
 */
export async function announce(
  context: RunContext,
  signer: string,
  round: number,
  bytes: Uint8Array,
): Promise<Stored> {
  const { body } = verifyBytes("intent", context.run, intentSchema, bytes, { allOf: [signer] });
  sameSigner(signer, body.peer);
  samePath("round", round, body.round);
  if ((await context.store.head(keys.peer(context.run, signer))) === null) {
    throw new OuterloopError("not-registered", `register first: POST /runs/${context.run}/peers`);
  }
  const previous = round <= 1 ? context.genesis : await readManifest(context, round - 1);
  if (previous === null || round < 1) {
    throw new OuterloopError(
      "round-not-open",
      `round ${round} is not open: manifest ${round - 1} is not published yet`,
    );
  }
  if (body.manifest !== previous.hash) {
    throw new OuterloopError(
      "wrong-manifest",
      `manifest ${round - 1} is ${previous.hash}, the intent names ${body.manifest}`,
    );
  }
  return storeOnce(context, keys.intent(context.run, round, signer), bytes, "already-announced");
}

/**
 * `POST /runs/{run}/rounds/{round}/commits`: stores the commit, then looks for the cutoff. Absent: the commit is
 * acknowledged, and whatever is acknowledged gets a verdict, because the close lists commits after the cutoff.
 */
export async function acceptCommit(
  environment: Pick<ApiEnvironment, "key">,
  context: RunContext,
  signer: string,
  round: number,
  bytes: Uint8Array,
): Promise<CommitAnswer> {
  const { run } = context;
  const { body } = verifyBytes("commit", run, commitSchema, bytes, { allOf: [signer] });
  sameSigner(signer, body.peer);
  samePath("round", round, body.round);
  const roster = await rosterWith(context, round, signer);
  if (body.manifest !== roster.body.previousManifest) {
    const expected = roster.body.previousManifest;
    throw new OuterloopError(
      "wrong-manifest",
      `round ${round} builds on manifest ${expected}, not on ${body.manifest}: catch up`,
    );
  }
  checkShards(context, roster.body, body.shards);

  const key = keys.commit(run, round, signer);
  await storeOnce(context, key, bytes, "already-committed");
  const stored = await context.store.head(key);
  if (stored === null || (await context.store.head(keys.cutoff(run, round))) !== null) {
    throw new OuterloopError(
      "round-closed",
      `round ${round} takes no more commits; your receipt will say what became of this one`,
    );
  }
  const acknowledgement = signBody(
    "acknowledgement",
    run,
    { run, round, peer: signer, commit: hashOf(body), storedAt: toInstant(stored.lastModifiedMs) },
    await environment.key(run),
  );
  return { acknowledgement, tickets: await uploadTicketsFor(context, roster.body, signer) };
}

/** `POST /runs/{run}/rounds/{round}/tickets`: fresh upload tickets for a commit that stands (`no-commit`). */
export async function freshTickets(context: RunContext, signer: string, round: number) {
  const roster = await rosterWith(context, round, signer);
  if ((await context.store.head(keys.cutoff(context.run, round))) !== null) {
    throw new OuterloopError(
      "round-closed",
      `round ${round} takes no more uploads; your receipt will say what became of yours`,
    );
  }
  return { tickets: await uploadTicketsFor(context, roster.body, signer) };
}

async function rosterWith(context: RunContext, round: number, peer: string): Promise<Fact<Roster>> {
  const roster = await readFact(context, "roster", keys.roster(context.run, round));
  if (roster === null)
    throw new OuterloopError("no-roster", `round ${round} has no roster yet: announce, then wait`);
  if (!roster.body.peers.some((one) => one.peer === peer)) {
    throw new OuterloopError(
      "not-in-roster",
      `${peer} is not in the roster of round ${round}: announce for the next one`,
    );
  }
  return roster;
}

function checkShards(
  context: RunContext,
  roster: Roster,
  shards: readonly { shard: number; sizeBytes: number }[],
): void {
  const { shards: shapes } = context.layout;
  if (shards.length !== shapes.length || shards.some(({ shard }, i) => shard !== i)) {
    throw new OuterloopError("size-mismatch", `a commit names shards 0 to ${shapes.length - 1}, in order`);
  }
  for (const [i, shape] of shapes.entries()) {
    const expected = shardSizeBytes(shape, roster.keep);
    const actual = shards[i]?.sizeBytes;
    if (actual !== expected) {
      throw new OuterloopError(
        "size-mismatch",
        `shard ${i} must have ${expected} bytes, the commit says ${actual}`,
        { expected, actual },
      );
    }
  }
}

/** One PUT per shard, pinned to key, length, SHA-256 and once; it must begin before uploadBy. */
async function uploadTicketsFor(
  context: RunContext,
  roster: Roster,
  peer: string,
): Promise<z.infer<typeof uploadTicket>[]> {
  const { run, store } = context;
  const commit = await readForeignFact(context, "commit", keys.commit(run, roster.round, peer), peer);
  if (commit === null) throw new OuterloopError("no-commit", `commit to round ${roster.round} first`);
  const nowMs = await store.now();
  const uploadByMs = toMilliseconds(roster.uploadBy);
  if (nowMs >= uploadByMs) {
    throw new OuterloopError(
      "upload-over",
      `uploads of round ${roster.round} had to begin before ${roster.uploadBy}`,
    );
  }
  const expiresAtMs = Math.min(nowMs + TICKET_MS, uploadByMs);
  return Promise.all(
    commit.body.shards.map(async ({ shard, sizeBytes, sha256 }) => {
      const key = keys.upload(run, roster.round, peer, shard);
      const { expiresAtMs: until, ...ticket } = await store.presignPut(key, {
        sizeBytes,
        sha256,
        expiresAtMs,
      });
      return { shard, ticket: { ...ticket, expiresAt: toInstant(until) } };
    }),
  );
}
