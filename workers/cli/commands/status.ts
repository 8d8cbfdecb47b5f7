/**
 * `outerloop status`.
 *
 * @module
 */
import { type Command, sourceOf, sourceOptions } from "../command.ts";
import { runToEnd } from "../lifetime.ts";

export const status: Command = {
  summary: "where a run is, what it waits for and until when; the coordinator may be down",
  options: {
    ...sourceOptions,
    why: { kind: "boolean", help: "since when, what for, until when at the latest, and what happens then" },
    json: { kind: "boolean", help: "the whole status as JSON" },
  },
  run: async (values) => {
    const source = sourceOf(values);
    const { statusCommand } = await import("../status.ts");
    return runToEnd(() => statusCommand({ ...source, json: values.json === true, why: values.why === true }));
  },
};
