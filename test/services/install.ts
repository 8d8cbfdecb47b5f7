/**
 * Installs real MinIO and LocalStack as plain programs, for machines without a Docker engine; `compose.yaml` is the same
 * for those that have one. Safe to run twice and from several processes at once. By hand: `npm run services -- --install-only`.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { installOnce } from "./install-once.ts";
import { findGo, findPython, runTool } from "./tools.ts";

/** The last community release, and its module: the proxy refuses release tags, so this is its commit. */
export const MINIO_RELEASE = "RELEASE.2025-09-07T16-13-09Z";
const MINIO_MODULE = "github.com/minio/minio@v0.0.0-20250907161309-07c3a429bfed";

/** The newest that runs on Python 3.11; the image of `compose.yaml` is 4.14.0, the last one free of accounts. */
export const LOCALSTACK_VERSION = "4.13.1";
const LOCALSTACK_LOCK = fileURLToPath(new URL("localstack.lock", import.meta.url));
const UV_LOCK = fileURLToPath(new URL("uv.lock", import.meta.url));

const STILL_AT_IT_MS = 20_000;

export interface Installed {
  /** The server's program. */
  minio: string;
  /** The Python that has LocalStack. */
  python: string;
}

export interface InstallOptions {
  /** `OUTERLOOP_SERVICES`, or `~/.cache/outerloop/services`. */
  home?: string;
  signal?: AbortSignal;
  /** A line of progress; stderr unless given. Silent when all is there. */
  onNote?: (line: string) => void;
}

/** Where the programs lie. */
export function servicesHome(): string {
  return process.env.OUTERLOOP_SERVICES ?? join(homedir(), ".cache", "outerloop", "services");
}

/** Installs what is missing, both at the same time. Typed errors `go-missing`, `python-missing`, `install-failed`. */
export async function installServices(options: InstallOptions = {}): Promise<Installed> {
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  const steps = [installMinio({ ...options, signal }), installLocalStack({ ...options, signal })] as const;
  // What fails first takes the other along: nobody wants to wait minutes for half of it.
  let failure: { error: unknown } | undefined;
  for (const step of steps) {
    step.catch((error) => {
      failure ??= { error };
      stop.abort();
    });
  }
  await Promise.allSettled(steps);
  if (failure !== undefined) throw failure.error;
  const [minio, python] = await Promise.all(steps);
  return { minio, python };
}

/** Returns the path of MinIO's program. */
export async function installMinio(options: InstallOptions = {}): Promise<string> {
  const folder = join(options.home ?? servicesHome(), `minio-${MINIO_RELEASE}`);
  await install(`MinIO ${MINIO_RELEASE}`, { ...options, folder, proof: "minio" }, (draft, tool) => {
    const go = findGo();
    // Without C, so that no compiler is needed; without symbols, which are a third of the file.
    const env = { ...process.env, GOBIN: draft, CGO_ENABLED: "0" };
    return runTool(go, ["install", "-trimpath", "-ldflags=-s -w", MINIO_MODULE], { ...tool, env });
  });
  return join(folder, "minio");
}

/** Returns the path of a Python that has LocalStack. */
export async function installLocalStack(options: InstallOptions = {}): Promise<string> {
  const lock = createHash("sha256").update(readFileSync(LOCALSTACK_LOCK)).digest("hex").slice(0, 8);
  const folder = join(options.home ?? servicesHome(), `localstack-${LOCALSTACK_VERSION}-${lock}`);
  const proof = join("bin", "python");
  await install(`LocalStack ${LOCALSTACK_VERSION}`, { ...options, folder, proof }, async (draft, tool) => {
    await runTool(findPython(), ["-m", "venv", draft], tool);
    const python = join(draft, proof);
    await runTool(python, ["-m", "pip", "install", "--require-hashes", "-r", UV_LOCK], tool);
    // A few packages come as source: what builds them is held to the lock as well.
    const locked = ["--require-hashes", "--build-constraints", LOCALSTACK_LOCK, "-r", LOCALSTACK_LOCK];
    await runTool(join(draft, "bin", "uv"), ["pip", "install", "--python", python, ...locked], tool);
  });
  return join(folder, proof);
}

interface Target extends InstallOptions {
  folder: string;
  proof: string;
}

type Build = (draft: string, tool: { logFile: string; signal: AbortSignal }) => Promise<void>;

/** Installs one of them and says how it gets on. */
async function install(title: string, { folder, proof, ...options }: Target, build: Build): Promise<void> {
  const { signal = new AbortController().signal, onNote = noteOnStderr } = options;
  await installOnce({
    folder,
    proof,
    signal,
    onWait: () => onNote(`${title}: another process is installing it; waiting`),
    async build(draft) {
      mkdirSync(draft, { recursive: true });
      const startedAt = performance.now();
      const elapsed = () => `${((performance.now() - startedAt) / 1000).toFixed(0)} s`;
      onNote(`${title}: installing into ${folder}`);
      const timer = setInterval(() => onNote(`${title}: still installing, ${elapsed()}`), STILL_AT_IT_MS);
      try {
        await build(draft, { logFile: `${folder}.log`, signal });
      } finally {
        clearInterval(timer);
      }
      onNote(`${title}: installed in ${elapsed()}`);
    },
  });
}

function noteOnStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}
