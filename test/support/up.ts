/**
 * Runs `outerloop up` as its users do: a process, its exit status, its two streams.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type RunResult, runResult } from "../../schemas/index.ts";

export const BIN = fileURLToPath(new URL("../../bin/outerloop.js", import.meta.url));

export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  process: ChildProcess;
  ended: Promise<Ended>;
  /** Resolves when stderr has matched. */
  saw(pattern: RegExp): Promise<void>;
}

export function outerloop(...args: string[]): Running {
  return outerloopIn(process.env, ...args);
}

/** The same in another environment: with credentials, say. */
export function outerloopIn(env: NodeJS.ProcessEnv, ...args: string[]): Running {
  const child = spawn(process.execPath, [BIN, ...args], { stdio: ["ignore", "pipe", "pipe"], env });
  let stdout = "";
  let stderr = "";
  const waiting: { pattern: RegExp; resolve: () => void; reject: (error: Error) => void }[] = [];
  child.stdout.on("data", (data) => {
    stdout += data;
  });
  child.stderr.on("data", (data) => {
    stderr += data;
    for (const { pattern, resolve } of waiting) if (pattern.test(stderr)) resolve();
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (status) => {
      for (const { pattern, reject } of waiting)
        reject(new Error(`ended (${status}) without ${pattern}:\n${stderr}`));
      resolve({ status, stdout, stderr });
    });
  });
  return {
    process: child,
    ended,
    saw: (pattern) =>
      new Promise((resolve, reject) => {
        if (pattern.test(stderr)) resolve();
        else waiting.push({ pattern, resolve, reject });
      }),
  };
}

/** Runs `up --json` to its end; the result has passed its schema. */
export async function upJson(...args: string[]): Promise<{ result: RunResult; stderr: string }> {
  const { status, stdout, stderr } = await outerloop("up", "--json", ...args).ended;
  if (status !== 0) throw new Error(`up ended with ${status}:\n${stderr}`);
  return { result: runResult.parse(JSON.parse(stdout)), stderr };
}

/** Rounds in which some peer's signed state hash differs from the state function's, or is missing. */
export function disagreements({ rounds, peers }: RunResult): number[] {
  return rounds
    .filter(
      ({ stateHash, peerStateHashes }) => !peers.every(({ peer }) => peerStateHashes[peer] === stateHash),
    )
    .map(({ round }) => round);
}
