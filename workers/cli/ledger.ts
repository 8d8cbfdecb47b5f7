/**
 * `outerloop ledger`: what every peer has earned, as a table, CSV or JSON; sums checked.
 *
 * @module
 */
import { f64FromHex, keys, type LedgerEntry, OuterloopError } from "../../schemas/index.ts";
import { lastFinishedRound, readLedger } from "./finished-rounds.ts";
import { type FactSource, openSource, type SourceOptions } from "./source.ts";

export interface LedgerOptions extends SourceOptions {
  /** Undefined: the last finished round. */
  round: number | undefined;
  format: "table" | "csv" | "json";
}

/** One peer's account: shares, each a part of one round's pay. */
export interface Account {
  peer: string;
  standing: LedgerEntry["standing"];
  /** Of this round alone. */
  share: number;
  paid: number;
  held: number;
  forfeited: number;
  /** paid + held + forfeited */
  total: number;
  selectedRounds: number;
  judgedRounds: number;
  lastRound: number;
}

export interface LedgerTable {
  run: string;
  round: number;
  /** Best paid first. */
  accounts: Account[];
  /** Rounds that paid, each 1 (or less by what nobody was due): the sum of all totals. */
  sum: number;
}

/** Rounding of so many sums of float64 is less than this. */
const SUM_TOLERANCE = 1e-6;

export async function ledgerCommand(options: LedgerOptions): Promise<void> {
  const source = await openSource(options);
  const table = await ledgerTable(source, options.round ?? (await lastFinishedRound(source)));
  const text = { table: tableText, csv: csvText, json: (one: LedgerTable) => JSON.stringify(one) };
  process.stdout.write(`${text[options.format](table)}\n`);
}

/** Typed errors: `round-not-finished`, and `wrong-sums` if shares were lost or made on the way. */
export async function ledgerTable(source: FactSource, round: number): Promise<LedgerTable> {
  const { entries } = await readLedger(source, round);
  const shares = new Map(
    entries.map(({ peer, recentShares }) => [
      peer,
      f64FromHex(recentShares.find((one) => one.round === round)?.share ?? "0000000000000000"),
    ]),
  );
  const accounts = entries.map((entry) => accountOf(entry, shares.get(entry.peer) ?? 0));
  const sum = accounts.reduce((all, { total }) => all + total, 0);
  const due = await sharesUpTo(source, round);
  if (Math.abs(sum - due) > SUM_TOLERANCE)
    throw new OuterloopError(
      "wrong-sums",
      `the accounts hold ${sum} rounds' pay, the selections gave out ${due}: the ledger cannot be right`,
    );
  return { run: source.run, round, accounts: accounts.sort((a, b) => b.total - a.total), sum };
}

/** What the selections up to this round gave out, of the sums that were published. */
async function sharesUpTo(source: FactSource, last: number): Promise<number> {
  let due = 0;
  for (let round = 1; round <= last; round++) {
    const manifest = await source.read("manifest", keys.manifest(source.run, round));
    const set = manifest?.body.set ?? null;
    if (set === null) continue;
    const selection = await source.read("selection", keys.selection(source.run, round));
    const notSelected = set === "selected" ? (selection?.body.notSelected ?? []) : [];
    for (const { share } of [...(selection?.body[set] ?? []), ...notSelected]) due += f64FromHex(share);
  }
  return due;
}

function accountOf(entry: LedgerEntry, share: number): Account {
  const [paid, held, forfeited] = [entry.paid, entry.held, entry.forfeited].map(f64FromHex) as [
    number,
    number,
    number,
  ];
  const { peer, standing, selectedRounds, judgedRounds, lastRound } = entry;
  const total = paid + held + forfeited;
  return { peer, standing, share, paid, held, forfeited, total, selectedRounds, judgedRounds, lastRound };
}

const COLUMNS = [
  "peer",
  "standing",
  "share",
  "paid",
  "held",
  "forfeited",
  "total",
  "selectedRounds",
  "judgedRounds",
  "lastRound",
] as const satisfies (keyof Account)[];

/** RFC 4180; every figure in full. */
export function csvText({ accounts }: LedgerTable): string {
  return [COLUMNS.join(","), ...accounts.map((one) => COLUMNS.map((name) => one[name]).join(","))].join(
    "\r\n",
  );
}

function tableText({ run, round, accounts, sum }: LedgerTable): string {
  const rows = accounts.map((one) => [
    one.peer.slice(0, 8),
    one.standing,
    ...([one.share, one.paid, one.held, one.forfeited, one.total] as const).map((value) => value.toFixed(4)),
    String(one.selectedRounds),
  ]);
  const head = ["peer", "standing", "share", "paid", "held", "forfeited", "total", "selected"];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ");
  return [
    `run ${run}, after round ${round}`,
    "",
    line(head),
    ...rows.map(line),
    "",
    `${sum.toFixed(4)} rounds' pay in all`,
  ].join("\n");
}
