/**
 * Secrets in a folder of one machine: `{run}.coordinator.json` and `{run}.api.json`, readable by their owner alone.
 *
 * @module
 */
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { z } from "zod";
import { apiSecrets, canonicalBytes, coordinatorSecrets } from "../../schemas/index.ts";
import { damagedSecrets, type SecretStore, secretsExist } from "./secret-store.ts";

export function createFileSecretStore(folder: string): SecretStore {
  const root = resolve(folder);
  const pathOf = (run: string, part: string) => join(root, `${run}.${part}.json`);

  const read = async <T>(run: string, part: string, schema: z.ZodType<T>): Promise<T | null> => {
    const path = pathOf(run, part);
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw error;
    });
    if (text === null) return null;
    try {
      return schema.parse(JSON.parse(text));
    } catch (error) {
      throw damagedSecrets(path, error);
    }
  };

  const write = async (run: string, part: string, value: unknown) => {
    const path = pathOf(run, part);
    const bytes = canonicalBytes(value);
    const unfinished = `${path}.${process.pid}.part`;
    try {
      const file = await open(unfinished, "w", 0o600);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      // A link, not a rename: it never replaces what stands.
      await link(unfinished, path);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      if (Buffer.compare(await readFile(path), bytes) !== 0) throw secretsExist(run);
    } finally {
      await rm(unfinished, { force: true });
    }
  };

  return {
    coordinator: (run) => read(run, "coordinator", coordinatorSecrets),
    api: (run) => read(run, "api", apiSecrets),
    async create(run, secrets) {
      await mkdir(root, { recursive: true, mode: 0o700 });
      await write(run, "coordinator", coordinatorSecrets.parse(secrets));
      await write(run, "api", apiSecrets.parse(secrets));
    },
  };
}
