/**
 * `outerloop coordinator`.
 *
 * @module
 */
import { number, text, UsageError } from "../arguments.ts";
import { type Command, cloudOptions, DEFAULT_DATA_DIR, dataDir, refuse, storageOf } from "../command.ts";
import { runUntilStopped } from "../lifetime.ts";

export const coordinator: Command = {
  summary: "serve a data folder's newest run, or the runs of a bucket: API, page and functions",
  options: {
    "data-dir": dataDir,
    host: { kind: "text", help: "address to listen on (127.0.0.1)" },
    port: { kind: "integer", min: 1, max: 65_535, help: "port (4650)" },
    authority: {
      kind: "text",
      help: "host that peers' signatures cover, behind a proxy: example.org (host:port)",
    },
    store: { kind: "text", choices: ["folder", "s3"], help: "s3: serve the runs of a bucket (folder)" },
    ...cloudOptions,
    secrets: { kind: "text", help: "where the secrets of a bucket's runs are: ssm:/PREFIX or file:FOLDER" },
  },
  run: async (values) => {
    const storage = storageOf(values);
    const secrets = text(values.secrets);
    if (storage?.kind === "s3") refuse(values, ["data-dir"], "goes without --store s3: a bucket is served");
    else refuse(values, ["secrets"], "goes with --store s3: a data folder has its own");
    if (storage?.kind === "s3" && secrets === undefined) {
      throw new UsageError(
        "--secrets is needed with --store s3: where did `run create` put the run's secrets?",
      );
    }
    const serves =
      storage?.kind === "s3" && secrets !== undefined
        ? { storage, secrets }
        : { dataDir: text(values["data-dir"]) ?? DEFAULT_DATA_DIR };
    const { coordinatorCommand } = await import("../../local/coordinator-command.ts");
    return runUntilStopped((signal) =>
      coordinatorCommand(
        {
          serves,
          host: text(values.host) ?? "127.0.0.1",
          port: number(values.port) ?? 4650,
          authority: text(values.authority),
        },
        signal,
      ),
    );
  },
};
