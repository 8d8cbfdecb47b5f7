/**
 * A saboteur as a process of its own: `node saboteur.ts BEHAVIOUR COORDINATOR RUN FOLDER`. Only `up` starts it.
 *
 * @module
 */

import { runUntilStopped } from "../cli/lifetime.ts";
import { peerCommand } from "../peer/command.ts";
import { behaviours } from "./behaviours/index.ts";

const [behaviour = "", coordinator = "", run, dataDir = ""] = process.argv.slice(2);
process.exitCode = await runUntilStopped((signal) =>
  peerCommand({ coordinator, run, dataDir }, signal, behaviours[behaviour]),
);
