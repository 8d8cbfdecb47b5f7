/**
 * `outerloop ledger`.
 *
 * @module
 */
import { number } from "../arguments.ts";
import { type Command, refuse, sourceOf, sourceOptions } from "../command.ts";
import { runToEnd } from "../lifetime.ts";

export const ledger: Command = {
  summary: "what every peer has earned: paid, held back, forfeited; sums checked",
  options: {
    round: { kind: "integer", min: 1, help: "after this round (the last finished one)" },
    csv: { kind: "boolean", help: "as CSV" },
    json: { kind: "boolean", help: "as JSON" },
    ...sourceOptions,
  },
  run: async (values) => {
    if (values.json === true)
      refuse({ ...values, csv: values.csv || undefined }, ["csv"], "goes without --json");
    const source = sourceOf(values);
    const { ledgerCommand } = await import("../ledger.ts");
    const format = values.json === true ? "json" : values.csv === true ? "csv" : "table";
    return runToEnd(() => ledgerCommand({ ...source, round: number(values.round), format }));
  },
};
