import { expect, it } from "vitest";
import { sharedLook } from "./shared-look.ts";

/** Looks that end when the test says so. */
function heldLooks() {
  const begun: { run: string; end: PromiseWithResolvers<string> }[] = [];
  const ask = sharedLook((run) => {
    const end = Promise.withResolvers<string>();
    begun.push({ run, end });
    return end.promise;
  });
  return { begun, ask };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

it("is shared by all who ask before it begins, and the next one by all who ask during it", async () => {
  const { begun, ask } = heldLooks();
  const first = [ask("a"), ask("a")];
  await turn();
  const second = [ask("a"), ask("a"), ask("a")];
  await turn();
  expect(begun).toHaveLength(1);
  begun[0]?.end.resolve("one");
  expect(await Promise.all(first)).toEqual(["one", "one"]);
  await turn();
  expect(begun).toHaveLength(2);
  begun[1]?.end.resolve("two");
  expect(await Promise.all(second)).toEqual(["two", "two", "two"]);
});

it("of one run does not wait for another's", async () => {
  const { begun, ask } = heldLooks();
  ask("a");
  ask("b");
  await turn();
  expect(begun.map(({ run }) => run)).toEqual(["a", "b"]);
});

it("that fails fails for those who share it, and not for the next", async () => {
  const { begun, ask } = heldLooks();
  const failing = [ask("a"), ask("a")];
  await turn();
  const later = ask("a");
  begun[0]?.end.reject(new Error("no store"));
  const outcomes = await Promise.allSettled(failing);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  await turn();
  begun[1]?.end.resolve("fine");
  expect(await later).toBe("fine");
});
