import { expect, it } from "vitest";
import { declare } from "./testing/deployment.ts";

it("a production stage that somebody sets to be removed keeps its objects: AWS deletes no bucket that holds any", async () => {
  const deployment = await declare("production", {}, { removal: "remove", protect: false });
  expect(deployment.app).toMatchObject({ removal: "remove", protect: false });
  expect(deployment.ofType("s3/bucket:Bucket").map(({ inputs }) => inputs.forceDestroy)).toEqual([false]);
});
