import { beforeEach, describe, expect, it } from "vitest";
import { keys, OuterloopError } from "../../schemas/index.ts";
import { ApiRun, keyOf } from "../api/testing/api-run.ts";
import { readForeignFact } from "./objects.ts";
import type { RunContext } from "./run-context.ts";

const ann = keyOf("ann");

let run: ApiRun;
let key: string;
beforeEach(async () => {
  run = await ApiRun.create();
  await run.toRoster([ann, keyOf("ben")]);
  key = keys.commit(run.run, 1, ann.publicKey);
});

const read = (context: RunContext) => readForeignFact(context, "commit", key, ann.publicKey);

describe("a commit in the bucket", () => {
  it("counts if its peer signed it", async () => {
    await run.store.putIfAbsent(key, await run.commit(ann));
    expect((await read(run.deciding))?.body.peer).toBe(ann.publicKey);
  });

  it.each<[string, () => Promise<Uint8Array>]>([
    ["no commit at all", async () => new Uint8Array([1, 2, 3])],
    ["of another peer", () => run.commit(keyOf("ben"))],
  ])("is as good as none if it is %s", async (_, bytes) => {
    await run.store.putIfAbsent(key, await bytes());
    expect(await read(run.deciding)).toBeNull();
  });

  // Found by the simulator: whatever the store answered counted as "does not verify", so a busy store took commits that
  // had been acknowledged out of the close.
  it.each(["store-unreachable", "store-credentials", "store-encryption"])(
    "is not taken for none while the store does not give it: %s",
    async (code) => {
      await run.store.putIfAbsent(key, await run.commit(ann));
      const get = async () => {
        throw new OuterloopError(code, "said by the store");
      };
      const store = { ...run.store, get };
      await expect(read({ ...run.deciding, store })).rejects.toMatchObject({ code });
    },
  );
});
