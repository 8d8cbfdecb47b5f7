import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { OuterloopError } from "../../schemas/index.ts";
import { answerError } from "./errors.ts";

/** Faults of the server: what is stored or configured is not as it must be. Nobody's request is to blame: 500. */
const SERVER_FAULTS = [
  "derived-object-differs",
  "misplaced-object",
  "missing-fact",
  "no-secrets",
  "wrong-data-index",
  "wrong-genesis",
];
/** Thrown by the client, never by the API. */
const OF_THE_CLIENT = [
  "service-unreachable",
  "unexpected-answer",
  "wrong-ticket",
  "store-busy",
  "store-refused",
  "object-too-large",
];

const root = new URL("../../", import.meta.url);
const sourcesOf = (folder: string) =>
  readdirSync(new URL(folder, root))
    .filter((name) => name.endsWith(".ts") && !name.includes(".test."))
    .map((name) => readFileSync(new URL(`${folder}/${name}`, root), "utf8"));

/** Codes in the sources: thrown by name, or handed to a helper that throws them. */
function codesIn(sources: readonly string[]): string[] {
  const found = sources.flatMap((text) => [
    ...text.matchAll(/new OuterloopError\(\s*"([a-z-]+)"/g),
    ...text.matchAll(/storeOnce\(.*?"([a-z-]+)"\);/gs),
  ]);
  return [...new Set(found.flatMap(([, code]) => (code === undefined ? [] : [code])))].sort();
}

/** The status of a code, through the real handler. */
async function statusOf(code: string): Promise<number> {
  const context = { json: (body: unknown, status: number) => Response.json(body, { status }) };
  const answer = answerError(new OuterloopError(code, "expected this, got that"), context as never);
  expect(await answer.json()).toMatchObject({ code, message: "expected this, got that" });
  return answer.status;
}

describe("the status of", () => {
  const thrown = codesIn([...sourcesOf("functions/api"), ...sourcesOf("functions/rounds")]);
  const verified = codesIn(
    ["canonical.ts", "signing.ts"].map((name) => readFileSync(new URL(`schemas/${name}`, root), "utf8")),
  );

  it("codes is looked for where codes are", () => {
    expect(thrown).toEqual(expect.arrayContaining(["wrong-body", "already-committed", "already-registered"]));
    expect(verified).toEqual(expect.arrayContaining(["malformed", "not-canonical", "bad-signature"]));
  });

  const requested = thrown.filter((code) => !SERVER_FAULTS.includes(code) && !OF_THE_CLIENT.includes(code));
  it.each(requested)("%s, thrown on the way of a request, is in the table", async (code) => {
    const status = await statusOf(code);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
  });

  it.each(verified.filter((code) => !["not-json", "invalid-key", ...SERVER_FAULTS].includes(code)))(
    "%s, thrown by the verification of what was sent, is in the table",
    async (code) => {
      expect(await statusOf(code)).toBeLessThan(500);
    },
  );

  it.each(["invalid-body", "invalid-option", "lease-lost", "body-too-large", "no-such-object"])(
    "%s, a refusal of the storage routes, is in the table",
    async (code) => {
      expect(await statusOf(code)).toBeLessThan(500);
    },
  );

  // It once was so: the store refuses a key that was built from a path (`invalid-key`), and the table does not know
  // it. http-errors.ts does (400).
  it("invalid-key, which a path can provoke, is in the table", async () => {
    expect(await statusOf("invalid-key")).toBe(400);
  });

  it.each(SERVER_FAULTS)("%s is that of a fault of the server", async (code) => {
    expect(await statusOf(code)).toBe(500);
  });
});

describe("an error without a type", () => {
  it("is answered without a word of it", async () => {
    const context = { json: (body: unknown, status: number) => Response.json(body, { status }) };
    const error = new Error("ENOENT /home/operator/secret", { cause: new Error("deeper") });
    const answer = answerError(error, context as never);
    const text = await answer.text();
    expect([answer.status, JSON.parse(text).code]).toEqual([500, "internal"]);
    expect(text).not.toMatch(/ENOENT|operator|deeper|at .*:\d+/);
  });
});

it.each([
  "store-unreachable",
  "store-credentials",
  "queue-unreachable",
  "no-such-queue",
  "secrets-unreachable",
])("the status of %s is 503: a client waits for the operator", async (code) =>
  expect(await statusOf(code)).toBe(503),
);
