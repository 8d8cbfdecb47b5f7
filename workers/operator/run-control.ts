/**
 * `outerloop run control`: what the operator says while a run is on, signed by both roots and numbered.
 *
 * @module
 */
import { join } from "node:path";
import { keysInRound } from "../../functions/coordinator/controls.ts";
import { readControls } from "../../functions/rounds/read-controls.ts";
import { openRun, type RunContext } from "../../functions/rounds/run-context.ts";
import { readStatus } from "../../functions/rounds/status.ts";
import { createS3ObjectStore } from "../../functions/storage/s3.ts";
import {
  type Control,
  keys,
  OuterloopError,
  publicKeyHex,
  type SigningKey,
  signToBytes,
  toInstant,
} from "../../schemas/index.ts";
import { type CloudStorage, s3OptionsOf } from "../local/run-folder.ts";
import { findIdentity } from "../peer/identity.ts";
import { refuseFixedFields } from "./fixed-fields.ts";
import { readConfig } from "./read-config.ts";

export type ControlKind = "pause" | "resume" | "abort" | "evaluators" | "config";

export interface RunControlOptions {
  storage: CloudStorage;
  run: string;
  /** Folder of the two root keys. */
  roots: string;
  kind: ControlKind;
  /** Of a pause or abort: for whoever looks at the page. */
  reason: string;
  /** Of `evaluators`: all public keys that may judge from then on. */
  evaluators: string[];
  /** Of `config`. */
  configFile: string | undefined;
}

/** New evaluators count from two rounds ahead: the open round and its successor keep those they began with. */
const ROUNDS_AHEAD = 2;

/**
 * Signs and stores the control, and prints it. Typed errors: `wrong-roots`, `invalid-option`, `wrong-config`, `fixed-field`,
 * `control-lost-race`.
 */
export async function runControlCommand(options: RunControlOptions): Promise<void> {
  const { storage, run, roots: folder } = options;
  const store = createS3ObjectStore(s3OptionsOf(storage));
  const context = await openRun(store, run);
  const roots = await rootsOf(context, folder);
  const number = (await readControls(context)).length + 1;
  const control: Control = {
    number,
    issuedAt: toInstant(await store.now()),
    action: await actionOf(context, options),
  };
  // Every reader passes over such a control, silently: it must not be signed, nor said to be done.
  if (control.action.kind === "config") refuseFixedFields(context.genesis.body, control.action.config);
  const key = keys.control(run, number);
  const put = await store.putIfAbsent(key, signToBytes("control", run, control, ...roots));
  if (put.outcome === "exists") {
    throw new OuterloopError(
      "control-lost-race",
      `control ${number} was given by somebody else meanwhile: look at ${key}, then repeat yours if it still holds`,
    );
  }
  process.stdout.write(`${key}\n${JSON.stringify(control.action, null, 2)}\n`);
}

/** Both roots, checked against the genesis before anything is signed. */
async function rootsOf({ run, genesis }: RunContext, folder: string): Promise<SigningKey[]> {
  const found = await Promise.all(["root-1", "root-2"].map((name) => findIdentity(join(folder, name))));
  const roots = found.filter((key) => key !== null);
  const wanted = [...genesis.body.roots].sort().join();
  if (
    roots
      .map(({ publicKey }) => publicKey)
      .sort()
      .join() === wanted
  )
    return roots;
  throw new OuterloopError("wrong-roots", `${folder} does not hold the root keys of run ${run}`);
}

async function actionOf(context: RunContext, options: RunControlOptions): Promise<Control["action"]> {
  const { kind, reason, evaluators, configFile } = options;
  switch (kind) {
    case "pause":
      return { kind, reason };
    case "resume":
      return { kind };
    case "abort":
      return { kind, round: (await readStatus(context)).round, reason };
    case "evaluators": {
      const wrong = evaluators.find((one) => !publicKeyHex.safeParse(one).success);
      if (wrong !== undefined || evaluators.length === 0) {
        throw new OuterloopError(
          "invalid-option",
          `expected public keys of 64 hex digits, got "${wrong ?? ""}"`,
        );
      }
      const effectiveFromRound = (await readStatus(context)).round + ROUNDS_AHEAD;
      const current = keysInRound(context.genesis.body, await readControls(context), effectiveFromRound);
      return { kind: "keys", keys: { ...current, evaluators: [...evaluators].sort() }, effectiveFromRound };
    }
    case "config":
      return { kind, config: await readConfig(configFile) };
  }
}
