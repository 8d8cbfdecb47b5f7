/**
 * `outerloop run create`.
 *
 * @module
 */
import { number, text, UsageError } from "../arguments.ts";
import { type Command, cloudOptions, cloudStorageOf, refuse } from "../command.ts";
import { runToEnd } from "../lifetime.ts";

export const runCreate: Command = {
  summary:
    "create a run in a bucket: genesis, data, first parameters; its secrets go to a place of their own",
  options: {
    ...cloudOptions,
    slug: { kind: "text", help: "name of the run, lowercase letters, digits and hyphens (first-run)" },
    evaluators: { kind: "text", help: "public keys of evaluators, joined by commas (see `outerloop key`)" },
    secrets: { kind: "text", help: "where its secrets go: ssm:/PREFIX or file:FOLDER" },
    roots: { kind: "text", help: "folder for the two root keys, to be kept offline (.outerloop-roots)" },
    config: {
      kind: "text",
      help: "file with the run's configuration, JSON (--print-config shows the usual one)",
    },
    text: { kind: "text", help: "file to train on, byte by byte (Moby-Dick)" },
    rounds: { kind: "integer", min: 1, max: 100_000, help: "rounds, where no --config says so (100)" },
    "min-peers": { kind: "integer", min: 1, max: 1_000, help: "peers that a round needs, likewise (2)" },
    "print-config": { kind: "boolean", help: "print the configuration and create nothing" },
    json: { kind: "boolean", help: "one JSON object on stdout" },
  },
  run: async (values) => {
    const printConfig = values["print-config"] === true;
    const evaluators = (text(values.evaluators) ?? "").split(",").filter((one) => one !== "");
    const secrets = text(values.secrets);
    if (values.config !== undefined)
      refuse(values, ["rounds", "min-peers"], "goes without --config: the file says so");
    if (!printConfig && evaluators.length === 0)
      throw new UsageError("--evaluators is needed: whose judgement counts? `outerloop key` prints a key");
    if (!printConfig && secrets === undefined)
      throw new UsageError(
        "--secrets is needed: ssm:/PREFIX, or file:FOLDER for a coordinator on one machine",
      );
    const { runCreateCommand } = await import("../../operator/run-create.ts");
    return runToEnd(() =>
      runCreateCommand({
        storage: cloudStorageOf(values),
        slug: text(values.slug) ?? "first-run",
        evaluators,
        secrets: secrets ?? "",
        roots: text(values.roots) ?? ".outerloop-roots",
        configFile: text(values.config),
        textFile: text(values.text),
        rounds: number(values.rounds) ?? 100,
        minPeers: number(values["min-peers"]) ?? 2,
        printConfig,
        json: values.json === true,
      }),
    );
  },
};
