/**
 * `outerloop explain`.
 *
 * @module
 */
import { number, text, UsageError } from "../arguments.ts";
import { type Command, sourceOf, sourceOptions } from "../command.ts";
import { runToEnd } from "../lifetime.ts";

export const explain: Command = {
  summary: "why a peer was or was not used in a round, and what would have changed it",
  options: {
    peer: { kind: "text", help: "id of the peer, or its first digits" },
    round: { kind: "integer", min: 1, help: "round (the last finished one)" },
    json: { kind: "boolean", help: "lines and signed receipt as JSON" },
    ...sourceOptions,
  },
  run: async (values) => {
    const peer = text(values.peer);
    if (peer === undefined)
      throw new UsageError("--peer ID is needed: whose round? `outerloop ledger` lists them");
    if (!/^[0-9a-f]{1,64}$/i.test(peer))
      throw new UsageError(`--peer must be the first digits of an id (0-9, a-f), not "${peer}"`);
    const source = sourceOf(values);
    const { explainCommand } = await import("../explain.ts");
    return runToEnd(() =>
      explainCommand({ ...source, peer, round: number(values.round), json: values.json === true }),
    );
  },
};
