import { beforeEach, describe, expect, it } from "vitest";
import { check as checkSchema, keys, OuterloopError, parseCanonical, signed } from "../../schemas/index.ts";
import { ApiRun, keyOf } from "../api/testing/api-run.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { checkUpload } from "./check-upload.ts";

const ann = keyOf("ann");

let run: ApiRun;
beforeEach(async () => {
  run = await ApiRun.create();
  await run.toRoster([ann, keyOf("ben")]);
  await run.post(ann, run.path("/rounds/1/commits"), await run.commit(ann));
  for (const [shard, bytes] of (await run.payload(ann)).entries())
    await run.store.putIfAbsent(keys.upload(run.run, 1, ann.publicKey, shard), bytes);
});

/** Checks the first shard through a store of which every read of an upload fails with `code`. */
function check(code: string): Promise<boolean> {
  const failing =
    <Args extends [string, ...unknown[]], Result>(read: (...args: Args) => Promise<Result>) =>
    async (...args: Args) => {
      if (args[0].startsWith("uploads/")) throw new OuterloopError(code, "said by the store");
      return read(...args);
    };
  const { store } = run;
  const seen: ObjectStore = { ...store, head: failing(store.head), get: failing(store.get) };
  return checkUpload({ ...run.deciding, store: seen }, { round: 1, peer: ann.publicKey, shard: 0 });
}

async function stored() {
  const object = await run.store.get(keys.check(run.run, 1, ann.publicKey, 0));
  return object && parseCanonical(signed(checkSchema), object.bytes, "check").body;
}

describe("an upload that the store does not give back", () => {
  it("is refused if its writer encrypted it with a key of its own, at whatever time it is checked", async () => {
    await check("object-unreadable");
    expect((await stored())?.refusal).toMatchObject({ code: "malformed-payload", error: "unreadable" });
    run.passTime(60_000);
    await check("object-unreadable");
  });

  it.each(["store-refused", "store-unreachable", "store-encryption", "store-credentials"])(
    "is not judged while that may be the store's own fault: %s",
    async (code) => {
      await expect(check(code)).rejects.toMatchObject({ code });
      expect(await stored()).toBeNull();
    },
  );
});
