/**
 * Reads a run's configuration from a file that a person wrote.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { firstIssues, OuterloopError, type RunConfig, runConfig } from "../../schemas/index.ts";

/** Typed error `wrong-config`, which names the fields. */
export async function readConfig(file: string | undefined): Promise<RunConfig> {
  try {
    const parsed = runConfig.safeParse(JSON.parse(await readFile(file ?? "", "utf8")));
    if (parsed.success) return parsed.data;
    throw wrong(file, firstIssues(parsed.error));
  } catch (error) {
    if (error instanceof OuterloopError) throw error;
    throw wrong(file, error instanceof Error ? error.message : String(error), error);
  }
}

function wrong(file: string | undefined, came: string, cause?: unknown): OuterloopError {
  return new OuterloopError(
    "wrong-config",
    `expected a run's configuration in ${file} (\`outerloop run create --print-config\` shows one), got ${came}`,
    { file },
    cause,
  );
}
