/**
 * The model of a round, checked by spin: with every rule the properties hold, and without any one of them one does not.
 */
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const MODEL = fileURLToPath(new URL("round.pml", import.meta.url));
const has = (command: string) => spawnSync(command, ["-V"]).error === undefined;

/** How many errors a search finds: `safe` tries every assertion, `ends` the claim that the round ends. */
async function errorsOf(search: "safe" | "ends", without?: string): Promise<number> {
  const cwd = mkdtempSync(join(tmpdir(), "outerloop-model-"));
  const run = async (command: string, ...args: string[]) =>
    (await promisify(execFile)(command, args, { cwd })).stdout;
  try {
    await run("spin", "-a", ...(without === undefined ? [] : [`-D${without}`]), MODEL);
    // That something ends is claimed of a fair schedule alone: every process that can go on does, some time. Seven
    // processes under weak fairness need three bits more for each state. Searched from the last process on, what breaks an
    // assertion is found soon; fairness does not go with that order.
    const kind = search === "safe" ? ["-DSAFETY", "-DNOCLAIM", "-DREVERSE"] : ["-DNFAIR=3"];
    await run("cc", "-O2", "-w", "-DMEMLIM=8000", ...kind, "-o", "pan", "pan.c");
    const output = await run("./pan", "-m100000", ...(search === "safe" ? [] : ["-a", "-f"]));
    if (/out of memory|max search depth too small/.test(output))
      throw new Error(`not searched to its end: ${output}`);
    const errors = /errors: (\d+)/.exec(output)?.[1];
    if (errors === undefined) throw new Error(`no verdict in: ${output}`);
    return Number(errors);
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}

describe.runIf(has("spin") && has("cc"))("the model of a round", { concurrent: true }, () => {
  it.each(["ends", "safe"] as const)("%s", async (search) => {
    expect(await errorsOf(search)).toBe(0);
  });

  it.each([
    ["NO_BARRIER", "safe"],
    ["LIST_TOO_EARLY", "safe"],
    ["CHECKS_TOO_EARLY", "safe"],
    ["USE_UNCHECKED", "safe"],
    ["USE_UNAGGREGATED", "safe"],
    ["OVERWRITE", "safe"],
    ["OVERWRITE_MANIFEST", "safe"],
    ["NO_SWEEP", "ends"],
    ["NO_CHECK_DEADLINE", "ends"],
    ["NO_AGGREGATION_DEADLINE", "ends"],
  ] as const)("with %s it is not: %s", async (without, search) => {
    expect(await errorsOf(search, without)).toBeGreaterThan(0);
  });
});
