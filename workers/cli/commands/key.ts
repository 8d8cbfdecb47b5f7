/**
 * `outerloop key`.
 *
 * @module
 */
import { text } from "../arguments.ts";
import type { Command } from "../command.ts";
import { runToEnd } from "../lifetime.ts";

export const key: Command = {
  summary: "print the public key of a peer's or evaluator's folder; makes the key if there is none",
  options: { "data-dir": { kind: "text", help: "folder of the key (.outerloop-evaluator)" } },
  run: async (values) => {
    const { loadIdentity } = await import("../../peer/identity.ts");
    return runToEnd(async () => {
      const { publicKey } = await loadIdentity(text(values["data-dir"]) ?? ".outerloop-evaluator");
      process.stdout.write(`${publicKey}\n`);
    });
  },
};
