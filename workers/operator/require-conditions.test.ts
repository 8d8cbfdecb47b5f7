import { expect, it } from "vitest";
import { createMemoryObjectStore } from "../../functions/storage/memory-object-store.ts";
import { createS3ObjectStore } from "../../functions/storage/s3.ts";
import { OuterloopError } from "../../schemas/index.ts";
import { requireConditionalWrites } from "./require-conditions.ts";
import { startCarelessS3 } from "./testing/careless-s3.ts";

it("a store that creates once is taken, and nothing is left in it", async () => {
  const store = createMemoryObjectStore({ ticketSecret: "sixteen bytes ok", baseUrl: "http://localhost" });
  await requireConditionalWrites(store);
  expect((await store.list("")).objects).toEqual([]);
});

it("a store that ignores conditions is refused before a run stands on it", async () => {
  const server = await startCarelessS3();
  try {
    const credentials = { accessKeyId: "any", secretAccessKey: "any" };
    const store = createS3ObjectStore({
      bucket: "careless",
      endpoint: server.endpoint,
      region: "us-east-1",
      credentials,
    });
    await expect(requireConditionalWrites(store)).rejects.toMatchObject({ code: "unconditional-store" });
    expect(server.keys()).toEqual([]);
  } finally {
    await server.close();
  }
});

it("a store that is gone is asked once, and its first word counts", async () => {
  const asked: string[] = [];
  const gone = async (what: string) => {
    asked.push(what);
    throw new OuterloopError("store-unreachable", `no answer to ${what}`);
  };
  const store = {
    ...createMemoryObjectStore({ ticketSecret: "sixteen bytes ok", baseUrl: "http://localhost" }),
    putIfAbsent: () => gone("put"),
    delete: () => gone("delete"),
  };
  await expect(requireConditionalWrites(store)).rejects.toThrow("no answer to put");
  expect(asked).toEqual(["put"]);
});
