import { expect, test } from "vitest";
import { renewing } from "./renewing-credentials.ts";

const MINUTE = 60_000;

/** A role whose sessions last an hour, on a clock that stands still. */
function setUp() {
  let nowMs = 0;
  let sessions = 0;
  let failing = false;
  const identity = renewing(
    async () => {
      if (failing) throw new Error("the role is away");
      sessions += 1;
      return {
        accessKeyId: `session-${sessions}`,
        secretAccessKey: "secret",
        expiration: new Date(nowMs + 60 * MINUTE),
      };
    },
    () => nowMs,
  );
  return {
    session: async () => (await identity()).accessKeyId,
    at: (minutes: number) => {
      nowMs = minutes * MINUTE;
    },
    fail: (now: boolean) => {
      failing = now;
    },
  };
}

test("a session serves until 20 minutes before its end, then a new one does", async () => {
  const { session, at } = setUp();
  expect(await session()).toBe("session-1");
  at(39);
  expect(await session()).toBe("session-1");
  at(40);
  expect(await session()).toBe("session-2");
  at(79);
  expect(await session()).toBe("session-2");
});

test("many tickets at once ask for one session", async () => {
  const { session } = setUp();
  expect(new Set(await Promise.all(Array.from({ length: 50 }, session)))).toEqual(new Set(["session-1"]));
});

test("while it cannot be renewed the old session serves, to its end", async () => {
  const { session, at, fail } = setUp();
  await session();
  fail(true);
  at(59);
  expect(await session()).toBe("session-1");
  at(60);
  await expect(session()).rejects.toMatchObject({ code: "store-credentials" });
  fail(false);
  expect(await session()).toBe("session-2");
});

test("credentials that never expire are asked for once", async () => {
  let asked = 0;
  const identity = renewing(async () => {
    asked += 1;
    return { accessKeyId: "id", secretAccessKey: "secret" };
  });
  await identity();
  await identity();
  expect(asked).toBe(1);
});
