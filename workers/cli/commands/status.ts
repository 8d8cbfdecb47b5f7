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
  refuse,
  run,
  storageOf,
} from "../command.ts";
import { runToEnd } from "../lifetime.ts";

export const status: Command = {
  summary: "where a run is, what it waits for and until when; the coordinator may be down",
  options: {
    "data-dir": dataDir,
    coordinator: { ...coordinator, help: "ask this coordinator instead of reading a folder" },
    run,
    why: { kind: "boolean", help: "since when, what for, until when at the latest, and what happens then" },
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
    if (storage?.kind === "s3") refuse(values, ["data-dir"], "goes without --store s3: a bucket is read");
    if (values.coordinator !== undefined)
      refuse(values, ["store", "data-dir"], "goes without --coordinator, which is asked instead");
    const { statusCommand } = await import("../status.ts");
    return runToEnd(() =>
      statusCommand({
        dataDir: text(values["data-dir"]) ?? DEFAULT_DATA_DIR,
        storage: storage?.kind === "s3" ? storage : undefined,
        coordinator: text(values.coordinator),
        run: text(values.run),
        json: values.json === true,
        why: values.why === true,
      }),
    );
  },
};
