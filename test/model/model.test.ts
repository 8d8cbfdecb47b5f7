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

/** How many errors the search of a property finds. `without`: the rule that is taken away. */
function errorsOf(property: string, without?: string): number {
  const folder = mkdtempSync(join(tmpdir(), "outerloop-model-"));
  const run = (command: string, ...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd: folder, encoding: "utf8" });
    if (status !== 0) throw new Error(`${command} ended with ${status}: ${stdout}${stderr}`);
    return stdout;
  };
  try {
    run("spin", "-a", ...(without === undefined ? [] : [`-D${without}`]), MODEL);
    // Eight processes under weak fairness need three bits more for each state.
    run("cc", "-O2", "-w", "-DNFAIR=3", "-DMEMLIM=8000", "-o", "pan", "pan.c");
    // That something ends is claimed of a fair schedule alone: every process that can go on does, some time.
    const output = run("./pan", "-a", ...(property === "ends" ? ["-f"] : []), "-m100000", "-N", property);
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
  it.each(["ends", "acknowledgedCounts", "oneHistory"])("%s", (property) => {
    expect(errorsOf(property)).toBe(0);
  });

  it.each([
    ["NO_BARRIER", "acknowledgedCounts"],
    ["LIST_TOO_EARLY", "acknowledgedCounts"],
    ["OVERWRITE", "oneHistory"],
    ["NO_SWEEP", "ends"],
  ])("with %s %s does not hold", (without, property) => {
    expect(errorsOf(property, without)).toBeGreaterThan(0);
  });
});
