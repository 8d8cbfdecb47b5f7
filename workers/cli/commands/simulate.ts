/**
 * `outerloop simulate`.
 *
 * @module
 */
import { number, text, UsageError } from "../arguments.ts";
import type { Command } from "../command.ts";
import { runUntilStopped } from "../lifetime.ts";

export const simulate: Command = {
  summary:
    "live through runs in virtual time in which everything goes wrong that can, and check what must hold",
  options: {
    seeds: { kind: "integer", min: 1, max: 100_000_000, help: "worlds to live through (100)" },
    from: { kind: "integer", min: 0, max: 1_000_000_000, help: "the first seed (1)" },
    faults: { kind: "text", help: "kinds of faults, with commas between them; none: a quiet world (all)" },
    peers: {
      kind: "integer",
      min: 2,
      max: 100_000,
      help: "instead: one round of so many peers, and what it costs",
    },
    json: { kind: "boolean", help: "one JSON object on stdout, progress on stderr" },
  },
  run: async (values) => {
    const json = values.json === true;
    const peers = number(values.peers);
    if (peers !== undefined) {
      for (const other of ["seeds", "from", "faults"])
        if (values[other] !== undefined)
          throw new UsageError(`--peers is a run of its own, without --${other}`);
      const { scaleCommand } = await import("../../simulate/scale-command.ts");
      return scaleCommand(peers, json);
    }
    const { simulateCommand } = await import("../../simulate/command.ts");
    const { faultKinds } = await import("../../simulate/faults.ts");
    const wanted = text(values.faults)?.split(",");
    const quiet = wanted?.length === 1 && wanted[0] === "none";
    const kinds = wanted === undefined ? faultKinds : faultKinds.filter((kind) => wanted.includes(kind));
    const unknown = quiet ? undefined : wanted?.find((one) => !kinds.some((kind) => kind === one));
    if (unknown === "none") throw new UsageError("--faults: none goes with no other kind");
    if (unknown !== undefined)
      throw new UsageError(`--faults: "${unknown}" is none of ${faultKinds.join(", ")}, none`);
    return runUntilStopped((signal) =>
      simulateCommand(
        { seeds: number(values.seeds) ?? 100, from: number(values.from) ?? 1, kinds, json },
        signal,
      ),
    );
  },
};
