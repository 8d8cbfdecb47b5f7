/**
 * Every way in which an upload can be wrong in form, through the whole system in one round: each has its own reason, the
 * honest are used, and the round is applied.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { sealContainer } from "../../native/container.ts";
import { crc32c } from "../../native/crc32c.ts";
import { referenceKernels } from "../../native/kernels.ts";
import { type ShardOffsets, shardOf, shardOffsets } from "../../native/layout.ts";
import type { Receipt, VerdictReason } from "../../schemas/index.ts";
import { mobyDick } from "../../workers/local/quick-start.ts";
import type { Attack, Scene, Sent } from "./arena/attack.ts";
import { arenaConfig } from "./arena/config.ts";
import { Gym } from "./arena/gym.ts";
import { type Played, play } from "./arena/play.ts";

/** What is done to the bytes of the first shard of an honest update; `seal` writes head and digests that fit the data. */
type Change = (bytes: Uint8Array, offsets: ShardOffsets, seal: () => void) => Uint8Array | undefined;

const HONEST = 2;
const K = 64;
const flip = (bytes: Uint8Array, at: number) => {
  bytes[at] = (bytes[at] ?? 0) ^ 1;
};
/** A field of the header is false, and the header's own checksum fits it. */
const forgedHeader =
  (at: number): Change =>
  (bytes) => {
    flip(bytes, at);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(60, crc32c(bytes.subarray(0, 60)), true);
    return bytes;
  };
/** The first record is replaced, and everything in front of it fits. */
const forgedRecord =
  (change: (record: Uint8Array) => void): Change =>
  (bytes, { records }, seal) => {
    change(bytes.subarray(records, records + 84));
    seal();
    return bytes;
  };
const malformed = (error: string, message: string) => ({
  code: "malformed-payload",
  error,
  message: expect.stringContaining(message),
});
const head = (message: string) => malformed("invalid-container", message);
const record = (message: string) => malformed("invalid-record", message);

const cases: [string, Change, Record<string, unknown>][] = [
  ["another format", forgedHeader(0), head("magic")],
  ["another version", forgedHeader(4), head("version")],
  ["an unknown flag", forgedHeader(7), head("flags")],
  ["another place for its data", forgedHeader(8), head("data offset")],
  ["another number of tensors", forgedHeader(12), head("number of tensors")],
  ["another number of chunks", forgedHeader(16), head("number of chunks")],
  ["another number of elements", forgedHeader(24), head("number of elements")],
  ["another chunk size", forgedHeader(32), head("chunk size")],
  ["another k", forgedHeader(33), head("log2 of k")],
  ["another record format", forgedHeader(34), head("record format")],
  ["another arithmetic profile", forgedHeader(35), head("arithmetic profile")],
  ["another record size", forgedHeader(36), head("record bytes")],
  ["another shard's number", forgedHeader(38), head("shard number")],
  ["another round", forgedHeader(40), head("round")],
  ["another segment size", forgedHeader(44), head("chunks per segment")],
  ["another model", forgedHeader(48), head("schema id")],
  ["a false header checksum", (bytes) => void flip(bytes, 60), head("CRC of the header")],
  ["a false table checksum", forgedHeader(56), head("CRC of the tables")],
  ["a false table", (bytes, { tensorTable }) => void flip(bytes, tensorTable), head("table entry")],
  ["a false norm", (bytes, { tensorTable }) => void flip(bytes, tensorTable + 24), head("squared norm")],
  [
    "a false digest",
    (bytes, { segmentTable }) => void flip(bytes, segmentTable),
    head("digest of segment 0"),
  ],
  ["data that its digest is not of", (bytes, { records }) => void flip(bytes, records + 40), head("digest")],
  ["bytes in the padding", (bytes, { tablesEnd }) => void flip(bytes, tablesEnd), head("padding")],
  ["nothing but zeros", (bytes) => bytes.fill(0), head("magic")],
  ["a record that keeps too few", forgedRecord((bytes) => bytes.fill(0, 0, 16)), record("bitmap bits")],
  ["a record that keeps all", forgedRecord((bytes) => bytes.fill(255, 0, 16)), record("bitmap bits")],
  ["indices that do not ascend", forgedRecord(sameIndex), record("does not ascend")],
  ["a level that is not finite", forgedRecord((bytes) => bytes.set([0x80, 0x7f], 82)), record("high level")],
  ["a negative level", forgedRecord((bytes) => bytes.set([0x80, 0xbf], 80)), record("low level")],
  [
    "a raw value that is not finite",
    (bytes, { raw }, seal) => {
      bytes.set([0xc0, 0x7f], raw);
      seal();
      return bytes;
    },
    { code: "non-finite" },
  ],
  // What the API or the ticket turns away is never there.
  ["too many bytes", (bytes) => Buffer.concat([bytes, bytes]), { code: "no-commit" }],
  ["too few bytes", (bytes) => bytes.slice(0, -1), { code: "no-commit" }],
  ["no bytes", (bytes) => bytes.slice(0, 0), { code: "no-commit" }],
];

/** All high bits stand in one group, and all low bits are the same: the same index again and again. */
function sameIndex(bytes: Uint8Array): void {
  // Entries follow the bitmap; with equal low bits two neighbours in one group are one index.
  bytes.fill(0, 16, 80);
}

/** One key for each case, and one whose bytes are not those that it committed to. */
const attack: Attack = {
  name: "malformed",
  what: "one key for each way in which an upload can be wrong",
  keys: cases.length + 1,
  submit: async (scene: Scene): Promise<Sent> => {
    const { layout } = scene.view;
    const [first, ...others] = (scene.honest[0]?.shards ?? []).map((bytes) => bytes.slice());
    if (first === undefined) return { kind: "nothing" };
    const change = cases[scene.index]?.[1];
    if (change === undefined)
      return {
        kind: "shards",
        shards: [first, ...others],
        commit: (commit) => ({
          ...commit,
          shards: commit.shards.map((one) => ({ ...one, sha256: "00".repeat(32) })),
        }),
      };
    const expected = { layout, shard: 0, round: scene.round, k: scene.roster.keep };
    const seal = () => sealContainer(first, expected, referenceKernels);
    return {
      kind: "shards",
      shards: [change(first, shardOffsets(shardOf(layout, 0), K), seal) ?? first, ...others],
    };
  },
};

const tokens = Uint16Array.from(mobyDick());
let gym: Gym;
let played: Played;
let receipts: Receipt[];
beforeAll(async () => {
  gym = await Gym.open(arenaConfig, tokens);
  played = await play({ seed: 1, gym, tokens, attack, rounds: 1, honest: HONEST });
  receipts = played.rounds[0]?.receipts ?? [];
});
afterAll(() => gym.close());

const reasonOf = (peer: string | undefined): VerdictReason | undefined =>
  receipts.find((receipt) => receipt.peer === peer)?.reason;

it.each(cases.map(([name, , reason], i) => ({ name, reason, i })))(
  "an upload with $name has its own reason",
  ({ reason, i }) => {
    expect(reasonOf(played.attackers[i])).toMatchObject(reason);
  },
);

it("bytes that are not those committed to are not taken by the store", () => {
  expect(reasonOf(played.attackers[cases.length])).toMatchObject({
    code: "incomplete-upload",
    missing: [0, 1],
  });
});

it("the honest are used, and the round is applied", () => {
  expect(played.rounds[0]?.outcome).toBe("applied");
  expect(played.honest.map((peer) => reasonOf(peer)?.code)).toEqual(["selected", "selected"]);
});
