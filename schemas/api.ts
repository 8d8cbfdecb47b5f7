/**
 * Bodies of the HTTP API. Stored objects travel as their canonical bytes; everything else is plain JSON.
 *
 * @module
 */
import { z } from "zod";
import { control, dataIndex, genesis, head, shardRecord, state } from "./genesis.ts";
import { commit, intent, registration } from "./peer-objects.ts";
import { instant, publicKeyHex, roundNumber, runId, sha256Hex, shardNumber } from "./primitives.ts";
import {
  aggregateRecord,
  check,
  close,
  cutoff,
  guardReport,
  heldOut,
  ledgerPage,
  manifest,
  receiptsPage,
  report,
  roster,
  selection,
  submission,
} from "./round-objects.ts";

/** Schema of every signed object, by the type name that its signature covers. */
export const signedTypes = {
  genesis,
  "data-index": dataIndex,
  control,
  head,
  state,
  registration,
  intent,
  commit,
  roster,
  cutoff,
  check,
  submission,
  close,
  report,
  guard: guardReport,
  selection,
  manifest,
  receipts: receiptsPage,
  ledger: ledgerPage,
  "held-out": heldOut,
  "aggregate-record": aggregateRecord,
  "state-record": shardRecord,
} as const;
export type SignedType = keyof typeof signedTypes;

/** Every refusal of the API. */
export const apiError = z.strictObject({
  /** Stable, kebab-case. */
  code: z.string(),
  /** What was expected, what came, what to do. */
  message: z.string(),
  details: z.record(z.string(), z.unknown()).optional(),
});
export type ApiError = z.infer<typeof apiError>;

/** A presigned request: this method, this URL, exactly these headers. */
export const ticket = z.strictObject({
  method: z.enum(["PUT", "GET"]),
  url: z.string(),
  headers: z.record(z.string(), z.string()),
  expiresAt: instant,
});

export const uploadTicket = z.strictObject({ shard: shardNumber, ticket });

/** The API's word that a commit will get a verdict in this round; signed by an API key as type `acknowledgement`. */
export const acknowledgement = z.strictObject({
  run: runId,
  round: roundNumber,
  peer: publicKeyHex,
  commit: sha256Hex,
  storedAt: instant,
});
export type Acknowledgement = z.infer<typeof acknowledgement>;

export const commitAnswer = z.strictObject({
  acknowledgement: z.strictObject({
    body: acknowledgement,
    signatures: z.array(z.strictObject({ key: publicKeyHex, signature: z.string() })),
  }),
  tickets: z.array(uploadTicket),
});
export type CommitAnswer = z.infer<typeof commitAnswer>;

export const stored = z.strictObject({
  /** `created`, or `exists` when the very same bytes were there already. */
  outcome: z.enum(["created", "exists"]),
  key: z.string(),
});

export const uploadTickets = z.strictObject({ tickets: z.array(uploadTicket) });
export const readTicketsRequest = z.strictObject({ keys: z.array(z.string().max(1_024)).min(1).max(1_000) });
export const readTickets = z.strictObject({ tickets: z.array(z.strictObject({ key: z.string(), ticket })) });

/** What a peer polls: the open round and the newest decision object in it. */
export const position = z.strictObject({
  round: roundNumber,
  /** Hash of the last manifest (genesis before the first). */
  manifest: sha256Hex,
  /** True once the roster of `round` stands. */
  rosterStands: z.boolean(),
  finished: z.boolean(),
  /** When to ask again. */
  pollAfterSeconds: z.number(),
});
export type Position = z.infer<typeof position>;

/** Names a position in a query: whoever has seen it waits for another one. */
export function positionTag({ round, rosterStands, finished }: Position): string {
  return `${round}-${rosterStands ? "training" : finished ? "finished" : "gathering"}`;
}

export const runList = z.strictObject({ runs: z.array(runId) });
