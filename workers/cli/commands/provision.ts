/**
 * `outerloop provision`.
 *
 * @module
 */
import { type Command, cloudOptions, cloudStorageOf, notify } from "../command.ts";
import { runUntilStopped } from "../lifetime.ts";

export const provision: Command = {
  summary: "make bucket, rules, queues and notifications on any endpoint; prints what it changed",
  options: {
    ...cloudOptions,
    notify,
    adopt: { kind: "boolean", help: "take over a bucket in which others keep objects" },
    "dry-run": { kind: "boolean", help: "print what would change, and change nothing" },
    json: { kind: "boolean", help: "one JSON object on stdout" },
  },
  run: async (values) => {
    const { kind: _, ...storage } = cloudStorageOf(values);
    const { provisionCommand } = await import("../../operator/provision.ts");
    return runUntilStopped((signal) =>
      provisionCommand(
        {
          ...storage,
          adopt: values.adopt === true,
          dryRun: values["dry-run"] === true,
          json: values.json === true,
        },
        signal,
      ),
    );
  },
};
