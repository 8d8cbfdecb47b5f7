/**
 * `outerloop run control`.
 *
 * @module
 */
import type { ControlKind } from "../../operator/run-control.ts";
import { text, UsageError } from "../arguments.ts";
import { type Command, cloudOptions, cloudStorageOf, refuse, run } from "../command.ts";
import { runToEnd } from "../lifetime.ts";

const CONTROL_KINDS: readonly ControlKind[] = ["pause", "resume", "abort", "evaluators", "config"];

export const runControl: Command = {
  summary: "pause, resume or abort, name other evaluators, change the configuration; signed by both roots",
  options: {
    ...cloudOptions,
    run: { ...run, help: "run id" },
    say: { kind: "text", choices: CONTROL_KINDS, help: `what to say: ${CONTROL_KINDS.join(", ")}` },
    roots: { kind: "text", help: "folder of the two root keys (.outerloop-roots)" },
    reason: { kind: "text", help: "of a pause or abort, for whoever looks at the page" },
    evaluators: {
      kind: "text",
      help: "of evaluators: all public keys that judge from then on, joined by commas",
    },
    config: { kind: "text", help: "of config: file with the new configuration" },
  },
  run: async (values) => {
    const id = text(values.run);
    const kind = CONTROL_KINDS.find((one) => one === values.say);
    if (id === undefined || kind === undefined) throw new UsageError("--run and --say are needed");
    if (kind !== "pause" && kind !== "abort")
      refuse(values, ["reason"], "goes with --say pause or --say abort");
    if (kind !== "evaluators") refuse(values, ["evaluators"], "goes with --say evaluators");
    if (kind !== "config") refuse(values, ["config"], "goes with --say config");
    const configFile = text(values.config);
    if (kind === "config" && configFile === undefined)
      throw new UsageError("--config FILE is needed: which configuration?");
    const storage = cloudStorageOf(values);
    const { runControlCommand } = await import("../../operator/run-control.ts");
    return runToEnd(() =>
      runControlCommand({
        storage,
        run: id,
        roots: text(values.roots) ?? ".outerloop-roots",
        kind,
        reason: text(values.reason) ?? "no reason given",
        evaluators: (text(values.evaluators) ?? "").split(",").filter((one) => one !== ""),
        configFile,
      }),
    );
  },
};
