/**
 * `outerloop status`.
 *
 * @module
 */
import { text } from "../arguments.ts";
import {
  type Command,
  cloudOptions,
  coordinator,
  DEFAULT_DATA_DIR,
  dataDir,
  run,
  storageOf,
} from "../command.ts";
import { runUntilStopped } from "../lifetime.ts";

export const status: Command = {
  summary: "where a run is, what it waits for and until when; the coordinator may be down",
  options: {
    "data-dir": dataDir,
    coordinator: { ...coordinator, help: "ask this coordinator instead of reading a folder" },
    run,
    json: { kind: "boolean", help: "the whole status as JSON" },
    store: {
      kind: "text",
      choices: ["folder", "s3"],
      help: "s3: read a bucket instead of a folder (folder)",
    },
    ...cloudOptions,
  },
  run: async (values) => {
    const storage = storageOf(values);
    const { statusCommand } = await import("../status.ts");
    return runUntilStopped(() =>
      statusCommand({
        dataDir: text(values["data-dir"]) ?? DEFAULT_DATA_DIR,
        storage: storage?.kind === "s3" ? storage : undefined,
        coordinator: text(values.coordinator),
        run: text(values.run),
        json: values.json === true,
      }),
    );
  },
};
