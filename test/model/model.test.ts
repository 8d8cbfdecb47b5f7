/**
 * The model of a round, checked by spin: with every rule the properties hold, and without any one of them one does not.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const MODEL = fileURLToPath(new URL("round.pml", import.meta.url));
const has = (command: string) => spawnSync(command, ["-V"]).error === undefined;

/** How many errors a search finds: `safe` tries every assertion, `ends` the claim that the round ends. */
function errorsOf(search: "safe" | "ends", without?: string): number {
  const folder = mkdtempSync(join(tmpdir(), "outerloop-model-"));
  const run = (command: string, ...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd: folder, encoding: "utf8" });
    if (status !== 0) throw new Error(`${command} ended with ${status}: ${stdout}${stderr}`);
    return stdout;
  };
  try {
    run("spin", "-a", ...(without === undefined ? [] : [`-D${without}`]), MODEL);
    // That something ends is claimed of a fair schedule alone: every process that can go on does, some time. Eight
    // processes under weak fairness need three bits more for each state.
    const kind = search === "safe" ? ["-DSAFETY", "-DNOCLAIM"] : ["-DNFAIR=3"];
    run("cc", "-O2", "-w", "-DMEMLIM=8000", ...kind, "-o", "pan", "pan.c");
    const output = run("./pan", "-m100000", ...(search === "safe" ? [] : ["-a", "-f"]));
    if (/out of memory|max search depth too small/.test(output))
      throw new Error(`not searched to its end: ${output}`);
    const errors = /errors: (\d+)/.exec(output)?.[1];
    if (errors === undefined) throw new Error(`no verdict in: ${output}`);
    return Number(errors);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe.runIf(has("spin") && has("cc"))("the model of a round", () => {
  it.each(["safe", "ends"] as const)("%s", (search) => {
    expect(errorsOf(search)).toBe(0);
  });

  it.each([
    ["NO_BARRIER", "safe"],
    ["LIST_TOO_EARLY", "safe"],
    ["OVERWRITE", "safe"],
    ["NO_SWEEP", "ends"],
  ] as const)("with %s it is not: %s", (without, search) => {
    expect(errorsOf(search, without)).toBeGreaterThan(0);
  });
});
