/**
 * `outerloop doctor`.
 *
 * @module
 */
import { text } from "../arguments.ts";
import { type Command, cloudOptions, cloudStorageOf, coordinator, notify } from "../command.ts";
import { runUntilStopped } from "../lifetime.ts";

export const doctor: Command = {
  summary: "check a bucket and its queues, and explain what is wrong",
  options: {
    ...cloudOptions,
    notify: { ...notify, help: "how uploads must be announced; any way will do with auto (auto)" },
    coordinator: { ...coordinator, help: "check this coordinator, too" },
    json: { kind: "boolean", help: "one JSON object on stdout" },
  },
  run: async (values) => {
    const { kind: _, ...storage } = cloudStorageOf(values);
    const { doctorCommand } = await import("../../operator/doctor.ts");
    return runUntilStopped((signal) =>
      doctorCommand(
        { ...storage, coordinator: text(values.coordinator), json: values.json === true },
        signal,
      ),
    );
  },
};
