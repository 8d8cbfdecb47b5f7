import { expect, test } from "vitest";
import { matrixAsMarkdown, matrixAsText, type Outcome } from "./contract-matrix.ts";

const outcome = (
  adapter: string,
  property: string,
  rest: Partial<Outcome["meta"]> = {},
  passed = true,
): Outcome => ({
  property,
  passed,
  meta: { contract: "queue", adapter, ...rest },
});

const outcomes = [
  outcome("LocalStack", "it lasts", { exception: "it forgets" }),
  outcome("memory", "it lasts"),
  outcome("memory", "it | counts", {}, false),
  outcome("MinIO", "a ticket is refused", { contract: "tickets", statuses: { "a second use": 412 } }),
];

test("a matrix has a table for each contract, with columns in their order, and says why somebody is let off", () => {
  const misuse = "misused upload tickets: the status of each refusal";
  const row = (name: string, cells: string) => `${name.padEnd(misuse.length)}  ${cells}`;
  expect(matrixAsText(outcomes).split("\n")).toEqual([
    row("queue", "memory  LocalStack"),
    row("it lasts", "yes     no (1)"),
    row("it | counts", "FAILED  -"),
    "",
    row("tickets", "MinIO"),
    row("a ticket is refused", "yes"),
    "",
    row(misuse, "MinIO"),
    row("a second use", "412"),
    "",
    "(1) LocalStack: it forgets",
    "",
  ]);
});

test("an exception that passes its test is no exception any more: it shows as a failure", () => {
  const held = [outcome("LocalStack", "it lasts", { exception: "it forgets" }, false)];
  expect(matrixAsText(held)).toContain("FAILED");
});

test("the document holds the same, with bars escaped", () => {
  const text = matrixAsMarkdown(outcomes);
  expect(text).toContain("| property | memory | LocalStack |\n|---|---|---|\n| it lasts | yes | no (1) |");
  expect(text).toContain("| it \\| counts | FAILED | - |");
  expect(text).toMatch(/## Exceptions\n\n1\. LocalStack: it forgets\n$/);
});
