/**
 * A Vitest reporter that prints which adapter holds which property of the storage contracts, and writes it as Markdown
 * to the file that `CONTRACT_MATRIX_FILE` names, if every test passed.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import type { Reporter, TestCase, TestModule, TestRunEndReason } from "vitest/node";
import type { ContractMeta } from "../contract-harness.ts";

/** What became of one property on one adapter. */
export interface Outcome {
  property: string;
  passed: boolean;
  meta: ContractMeta;
}

/** One contract: its properties down, its adapters across. */
interface Table {
  title: string;
  adapters: string[];
  rows: { name: string; cells: string[] }[];
}

/** Columns in this order; others behind. */
const ORDER = ["memory", "file", "HTTP", "MinIO", "LocalStack"];

export default class ContractMatrix implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, _: unknown, reason: TestRunEndReason): void {
    const outcomes = modules.flatMap((module) => [...module.children.allTests()].flatMap(outcomeOf));
    if (outcomes.length === 0) return;
    process.stdout.write(`\n${matrixAsText(outcomes)}\n`);
    const file = process.env.CONTRACT_MATRIX_FILE;
    if (file === undefined || reason !== "passed") return;
    writeFileSync(file, matrixAsMarkdown(outcomes));
    process.stdout.write(`The matrix was written to ${file}\n`);
  }
}

function outcomeOf(test: TestCase): Outcome[] {
  const { contract } = test.meta();
  const { state } = test.result();
  if (contract === undefined || state === "skipped" || state === "pending") return [];
  return [{ property: test.name, passed: state === "passed", meta: contract }];
}

/** For a terminal. */
export function matrixAsText(outcomes: readonly Outcome[]): string {
  const { tables, notes } = matrixOf(outcomes);
  const width = Math.max(
    ...tables
      .flatMap(({ title, rows }) => [title, ...rows.map(({ name }) => name)])
      .map(({ length }) => length),
  );
  const lines = tables.flatMap(({ title, adapters, rows }) => [
    "",
    [title.padEnd(width), ...adapters].join("  "),
    ...rows.map(({ name, cells }) =>
      [name.padEnd(width), ...cells.map((cell, at) => cell.padEnd(adapters[at]?.length ?? 0))]
        .join("  ")
        .trimEnd(),
    ),
  ]);
  return [...lines, "", ...notes.map((note, at) => `(${at + 1}) ${note}`), ""].join("\n").trimStart();
}

/** For the documents. */
export function matrixAsMarkdown(outcomes: readonly Outcome[]): string {
  const { tables, notes } = matrixOf(outcomes);
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const parts = tables.map(({ title, adapters, rows }) =>
    [
      `## ${title}`,
      "",
      line(["property", ...adapters]),
      `|---|${adapters.map(() => "---|").join("")}`,
      ...rows.map(({ name, cells }) => line([name, ...cells])),
    ].join("\n"),
  );
  const footnotes = notes.map((note, at) => `${at + 1}. ${note}`).join("\n");
  return `${HEADER}\n${parts.join("\n\n")}\n\n## Exceptions\n\n${footnotes}\n`;
}

const HEADER = `# What every storage adapter holds

Each line is a test of the contracts in \`functions/storage/*.contract.ts\`, run on each adapter. \`yes\`: it holds the
property. \`no\`, with a number: this server cannot, for the reason below; the test runs all the same and must fail.

Written by the tests themselves:
\`CONTRACT_MATRIX_FILE=docs/storage-contract.md npm run test:services\`
`;

/** The tables, and why adapters are let off. */
function matrixOf(outcomes: readonly Outcome[]): { tables: Table[]; notes: string[] } {
  const notes: string[] = [];
  const cellOf = ({ passed, meta: { adapter, exception } }: Outcome): string => {
    if (exception === undefined || !passed) return passed ? "yes" : "FAILED";
    const note = `${adapter}: ${exception}`;
    if (!notes.includes(note)) notes.push(note);
    return `no (${notes.indexOf(note) + 1})`;
  };
  const contracts = Map.groupBy(outcomes, ({ meta }) => meta.contract);
  const tables = [...contracts].map(([contract, ofContract]) =>
    tableOf(contract, ofContract, (outcome) => [[outcome.property, cellOf(outcome)]]),
  );
  const refusals = outcomes.filter(({ meta }) => meta.statuses !== undefined);
  if (refusals.length > 0) {
    const statuses = ({ meta }: Outcome) =>
      Object.entries(meta.statuses ?? {}).map(([what, status]): [string, string] => [what, String(status)]);
    tables.push(tableOf("misused upload tickets: the status of each refusal", refusals, statuses));
  }
  return { tables, notes };
}

function tableOf(
  title: string,
  outcomes: readonly Outcome[],
  cellsOf: (outcome: Outcome) => [row: string, cell: string][],
): Table {
  const adapters = [...new Set(outcomes.map(({ meta }) => meta.adapter))].sort((a, b) => rank(a) - rank(b));
  const rows = new Map<string, Map<string, string>>();
  for (const outcome of outcomes) {
    for (const [row, cell] of cellsOf(outcome)) {
      rows.set(row, (rows.get(row) ?? new Map()).set(outcome.meta.adapter, cell));
    }
  }
  return {
    title,
    adapters,
    rows: [...rows].map(([name, cells]) => ({
      name,
      cells: adapters.map((adapter) => cells.get(adapter) ?? "-"),
    })),
  };
}

function rank(adapter: string): number {
  const at = ORDER.indexOf(adapter);
  return at === -1 ? ORDER.length : at;
}
