/**
 * Whatever a peer sends, the round goes on, and the sender gets a verdict or an answer that says why.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { signRequest } from "../functions/api/request-signatures.ts";
import { crc32c } from "../native/crc32c.ts";
import { type Commit, keys, type Receipt, sha256, signToBytes, toMilliseconds } from "../schemas/index.ts";
import { readReceipt } from "../workers/peer/settle.ts";
import { type EmbeddedRun, startEmbeddedRun } from "./support/embedded-run.ts";
import { type ScriptedPeer, scriptedPeer } from "./support/scripted-peer.ts";
import { tinyConfig } from "./support/tiny-run.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-scripted-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("a round with two honest peers and a hostile one", () => {
  let embedded: EmbeddedRun;
  let hostile: ScriptedPeer;
  let honest: string[];

  beforeEach(async () => {
    const windows = { trainSeconds: 4, uploadSeconds: 1, graceSeconds: 1 };
    embedded = await startEmbeddedRun({ config: tinyConfig({ rounds: 1, peers: 3, windows }) });
    honest = [embedded.peer("honest-1").key.publicKey, embedded.peer("honest-2").key.publicKey];
    hostile = await scriptedPeer(embedded, "hostile", folder);
    await hostile.announce();
  });
  afterEach(() => embedded.close());

  /** The round is published, the honest are used, and the hostile peer has its receipt. */
  async function receiptAfterTheRound(): Promise<Receipt> {
    const status = await embedded.untilFinished();
    expect(status.history[0]?.outcome).toBe("applied");
    const blamed = status.history[0]?.refused.filter(
      ({ peer, code }) => honest.includes(peer) && code !== "copy",
    );
    expect(blamed).toEqual([]);
    expect(embedded.faults).toEqual([]);
    const receipt = await readReceipt(hostile.view, 1, hostile.key.publicKey);
    if (receipt === null) throw new Error("every peer of the roster has a receipt");
    return receipt;
  }

  /** Commits to these bytes and uploads them. */
  async function submit(commit: Commit, shards: Uint8Array[]): Promise<void> {
    const changed = {
      ...commit,
      shards: shards.map((bytes, shard) => ({ shard, sizeBytes: bytes.length, sha256: sha256(bytes) })),
    };
    await hostile.upload(await hostile.commit(changed), shards);
  }

  it("refuses a payload that does not parse, and says where", async () => {
    const { commit, shards } = await hostile.work(await hostile.roster());
    const broken = shards.map((bytes) => bytes.slice());
    broken[0]?.fill(0xff, 64, 128);
    await submit(commit, broken);
    const receipt = await receiptAfterTheRound();
    expect(receipt).toMatchObject({ verdict: "refused", reason: { code: "malformed-payload", shard: 0 } });
  });

  it("refuses a raw value that is not finite", async () => {
    const { commit, shards } = await hostile.work(await hostile.roster());
    const { layout } = hostile.view;
    const broken = shards.map((bytes) => bytes.slice());
    // Infinity as the last raw value of the first shard that has any, with segment digest and checksums made to fit.
    const shape = layout.shards.find(({ rawElements }) => rawElements > 0);
    const bytes = broken[shape?.number ?? 0] ?? new Uint8Array();
    new DataView(bytes.buffer).setUint16(bytes.length - 2, 0x7f80, true);
    reseal(bytes);
    await submit(commit, broken);
    const receipt = await receiptAfterTheRound();
    expect(receipt).toMatchObject({ verdict: "refused", reason: { code: "non-finite" } });
  });

  it("does not take a commit to an oversized payload, and the peer is simply absent", async () => {
    const { commit, shards } = await hostile.work(await hostile.roster());
    const oversized = shards.map((bytes) => Buffer.concat([bytes, new Uint8Array(1_000)]));
    await expect(submit(commit, oversized)).rejects.toMatchObject({ code: "size-mismatch" });
    expect(await receiptAfterTheRound()).toMatchObject({ verdict: "absent", reason: { code: "no-commit" } });
  });

  it("does not take an upload longer than its ticket, and calls the submission incomplete", async () => {
    const { commit, shards } = await hostile.work(await hostile.roster());
    const answer = await hostile.commit(commit);
    const longer = shards.map((bytes) => Buffer.concat([bytes, new Uint8Array(10)]));
    await expect(hostile.upload(answer, longer)).rejects.toMatchObject({ code: "length-mismatch" });
    expect(await receiptAfterTheRound()).toMatchObject({
      verdict: "incomplete",
      reason: { code: "incomplete-upload" },
    });
  });

  it("does not take other bytes than were committed", async () => {
    const { commit, shards } = await hostile.work(await hostile.roster());
    const answer = await hostile.commit(commit);
    const other = shards.map((bytes) => bytes.map((byte) => byte ^ 1));
    await expect(hostile.upload(answer, other)).rejects.toMatchObject({ code: "checksum-mismatch" });
    expect(await receiptAfterTheRound()).toMatchObject({ verdict: "incomplete" });
  });

  it("tells a late committer that the round is closed, and closes without it", async () => {
    const { commit } = await hostile.work(await hostile.roster());
    await embedded.until(({ phase }) => phase !== "train");
    await expect(hostile.commit(commit)).rejects.toMatchObject({ code: "round-closed" });
    const receipt = await receiptAfterTheRound();
    expect(["absent", "late"]).toContain(receipt.verdict);
    expect(["no-commit", "late-commit"]).toContain(receipt.reason.code);
  });

  it("calls a commit late that came after its time, though the round was still open", async () => {
    const roster = await hostile.roster();
    const { commit } = await hostile.work(roster);
    // Arrival is known in whole seconds: a second later than commitBy is late on any clock.
    while (Date.now() <= toMilliseconds(roster.commitBy) + 1_100)
      await new Promise((resolve) => setTimeout(resolve, 20));
    await expect(hostile.commit(commit)).rejects.toMatchObject({ code: "upload-over" });
    expect(await receiptAfterTheRound()).toMatchObject({ verdict: "late", reason: { code: "late-commit" } });
  });

  it("answers an unsigned, a foreign and a stale request, and stores nothing", async () => {
    const { commit } = await hostile.work(await hostile.roster());
    const path = `${embedded.url}/runs/${embedded.run}/rounds/1/commits`;
    const bytes = new Uint8Array(signToBytes("commit", embedded.run, commit, hostile.key));
    const unsigned = await fetch(path, {
      method: "POST",
      body: bytes,
      headers: { "content-type": "application/json" },
    });
    expect(unsigned.status).toBe(401);
    expect(await unsigned.json()).toMatchObject({ code: "unsigned-request" });

    const request = {
      method: "POST",
      url: path,
      headers: { "content-type": "application/json" },
      body: bytes,
    };
    const headers = await signRequest(request, hostile.key, Date.now() - 600_000);
    const stale = await fetch(path, { method: "POST", headers, body: bytes });
    expect(stale.status).toBe(401);
    expect(await stale.json()).toMatchObject({ code: "stale-signature" });

    const foreign = signToBytes("commit", embedded.run, { ...commit, peer: honest[0] ?? "" }, hostile.key);
    await expect(hostile.view.api.commit(embedded.run, 1, foreign)).rejects.toMatchObject({
      code: "wrong-signer",
    });
    const unsignedBody = new TextEncoder().encode(
      new TextDecoder().decode(bytes).replace(/"signature":"./, '"signature":"0'),
    );
    await expect(hostile.view.api.commit(embedded.run, 1, unsignedBody)).rejects.toThrow();

    expect(await embedded.context.store.head(keys.commit(embedded.run, 1, hostile.key.publicKey))).toBeNull();
    expect(await receiptAfterTheRound()).toMatchObject({ verdict: "absent" });
  });

  it("gives one slot to a copy and its original, and blames nobody", async () => {
    const roster = await hostile.roster();
    const { commit } = await hostile.work(roster);
    const [victim = ""] = honest;
    await embedded.until(({ progress }) => progress.complete === honest.length);
    // A breach of the bucket: before the close nobody but functions can read an upload.
    const { store } = embedded.context;
    const stolen: Uint8Array[] = [];
    for (const { number } of hostile.view.layout.shards) {
      const object = await store.get(keys.upload(embedded.run, 1, victim, number));
      if (object !== null) stolen.push(new Uint8Array(object.bytes));
    }
    await submit(commit, stolen);
    const status = await embedded.untilFinished();
    const used = status.history[0]?.selected ?? [];
    const left = status.history[0]?.refused ?? [];
    // At most one of the two is used, in the name of both.
    const pair = [victim, hostile.key.publicKey];
    expect(pair.filter((peer) => used.includes(peer)).length).toBeLessThanOrEqual(1);
    const copy = left.find(({ peer }) => pair.includes(peer));
    expect(copy).toMatchObject({ code: "copy", verdict: "not-selected" });
    expect(copy?.reason).toMatch(/^same update as /);
  });

  it("takes the same commit again, and refuses another one", async () => {
    const { commit, shards } = await hostile.work(await hostile.roster());
    const first = await hostile.commit(commit);
    const again = await hostile.commit(commit);
    expect(again.acknowledgement.body).toEqual(first.acknowledgement.body);
    const other = { ...commit, claimed: { ...commit.claimed, tokens: 1 } };
    await expect(hostile.commit(other)).rejects.toMatchObject({ code: "already-committed" });
    await hostile.upload(again, shards);
    await hostile.upload(first, shards);
    expect(await receiptAfterTheRound()).toMatchObject({ verdict: "selected" });
  });

  it("refuses a peer that trained from another state", async () => {
    const { commit, shards } = await hostile.work(await hostile.roster());
    await hostile.upload(await hostile.commit({ ...commit, stateHash: "0".repeat(64) }), shards);
    expect(await receiptAfterTheRound()).toMatchObject({
      verdict: "refused",
      reason: { code: "wrong-state" },
    });
  });

  it("refuses a peer that cannot prove its state", async () => {
    const { commit, shards } = await hostile.work(await hostile.roster());
    await hostile.upload(await hostile.commit({ ...commit, stateProof: "0".repeat(64) }), shards);
    expect(await receiptAfterTheRound()).toMatchObject({
      verdict: "refused",
      reason: { code: "wrong-state-proof" },
    });
  });
});

/** Makes digest and checksums of a one-segment-or-more SLC1 object fit its changed data again. */
function reseal(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const tensors = view.getUint32(12, true);
  const dataOffset = view.getUint32(8, true);
  const segmentTable = 64 + 32 * tensors;
  const recordBytes = view.getUint16(36, true) * Number(view.getBigUint64(16, true));
  const segments = [
    [dataOffset, dataOffset + recordBytes],
    [dataOffset + recordBytes, bytes.length],
  ].filter(([from = 0, to = 0]) => to > from);
  for (const [i, [from, to]] of segments.entries()) {
    const data = bytes.subarray(from, to);
    bytes.set(Buffer.from(sha256(data), "hex"), segmentTable + 36 * i);
    view.setUint32(segmentTable + 36 * i + 32, crc32c(data), true);
  }
  view.setUint32(56, crc32c(bytes.subarray(64, segmentTable + 36 * segments.length)), true);
  view.setUint32(60, crc32c(bytes.subarray(0, 60)), true);
}
