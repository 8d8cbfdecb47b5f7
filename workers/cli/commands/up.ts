/**
 * `outerloop up`.
 *
 * @module
 */
import { number, text, UsageError } from "../arguments.ts";
import { type Command, cloudOptions, DEFAULT_DATA_DIR, dataDir, notify, storageOf } from "../command.ts";
import { runUntilStopped } from "../lifetime.ts";

export const up: Command = {
  summary: "train a small model with several peers on this machine, every part a process of its own",
  options: {
    rounds: { kind: "integer", min: 1, max: 100_000, help: "rounds of the run (20)" },
    peers: { kind: "integer", min: 1, max: 64, help: "peers, saboteurs included (5)" },
    saboteurs: {
      kind: "integer",
      min: 0,
      max: 64,
      help: "how many of them flip the sign of their updates (1)",
    },
    evaluators: { kind: "integer", min: 1, max: 8, help: "evaluators (1)" },
    seed: { kind: "text", help: "derives every key and draw from this: the same seed, the same run" },
    "data-dir": dataDir,
    host: { kind: "text", help: "address of API and page (127.0.0.1); 0.0.0.0: reached from elsewhere, too" },
    port: { kind: "integer", min: 1, max: 65_535, help: "port of API and page (4650, or a free one)" },
    json: { kind: "boolean", help: "one JSON object on stdout, progress on stderr" },
    keep: { kind: "boolean", help: "go on serving the page when the run has finished" },
    store: { kind: "text", choices: ["folder", "s3"], help: "where objects and messages are kept (folder)" },
    ...cloudOptions,
    notify,
  },
  run: async (values) => {
    const peers = number(values.peers) ?? 5;
    const saboteurs = number(values.saboteurs);
    if (saboteurs !== undefined && saboteurs >= peers) {
      throw new UsageError(
        `--saboteurs ${saboteurs} leaves nobody honest among ${peers} peers: --peers counts all of them`,
      );
    }
    const storage = storageOf(values);
    const { up } = await import("../../local/up.ts");
    return runUntilStopped((signal) =>
      up(
        {
          rounds: number(values.rounds),
          peers: number(values.peers),
          saboteurs,
          evaluators: number(values.evaluators),
          seed: text(values.seed),
          storage,
          dataDir: text(values["data-dir"]) ?? DEFAULT_DATA_DIR,
          host: text(values.host) ?? "127.0.0.1",
          port: number(values.port),
          json: values.json === true,
          keep: values.keep === true,
        },
        signal,
      ),
    );
  },
};
