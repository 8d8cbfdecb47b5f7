/**
 * Secrets in the parameter store of AWS: `{prefix}/coordinator/{run}` and `{prefix}/api/{run}`, encrypted, so that a role
 * may read one part by its path and not the other.
 *
 * @module
 */
import {
  GetParameterCommand,
  ParameterAlreadyExists,
  ParameterNotFound,
  PutParameterCommand,
  SSMClient,
} from "@aws-sdk/client-ssm";
import type { z } from "zod";
import { apiSecrets, coordinatorSecrets, OuterloopError } from "../../schemas/index.ts";
import { damagedSecrets, type SecretStore, secretsExist } from "./secret-store.ts";

export interface SsmOptions {
  /** `/outerloop/production`. */
  prefix: string;
  region: string;
  /** What sends the requests; tests replace it. */
  client?: Pick<SSMClient, "send">;
}

export function createSsmSecretStore({ prefix, region, client }: SsmOptions): SecretStore {
  const ssm = client ?? new SSMClient({ region });
  const nameOf = (run: string, part: string) => `${prefix}/${part}/${run}`;

  const readText = async (name: string): Promise<string | null> => {
    try {
      const { Parameter } = await ssm.send(new GetParameterCommand({ Name: name, WithDecryption: true }));
      return Parameter?.Value ?? null;
    } catch (error) {
      if (error instanceof ParameterNotFound) return null;
      throw unreadable(name, error);
    }
  };
  const read = async <T>(run: string, part: string, schema: z.ZodType<T>): Promise<T | null> => {
    const name = nameOf(run, part);
    const text = await readText(name);
    if (text === null) return null;
    try {
      return schema.parse(JSON.parse(text));
    } catch (error) {
      throw damagedSecrets(`parameter ${name}`, error);
    }
  };
  const write = async (run: string, part: string, value: unknown) => {
    const name = nameOf(run, part);
    const text = JSON.stringify(value);
    try {
      await ssm.send(
        new PutParameterCommand({ Name: name, Value: text, Type: "SecureString", Overwrite: false }),
      );
    } catch (error) {
      if (!(error instanceof ParameterAlreadyExists)) throw unreadable(name, error);
      if ((await readText(name)) !== text) throw secretsExist(run);
    }
  };

  return {
    coordinator: (run) => read(run, "coordinator", coordinatorSecrets),
    api: (run) => read(run, "api", apiSecrets),
    async create(run, secrets) {
      await write(run, "coordinator", coordinatorSecrets.parse(secrets));
      await write(run, "api", apiSecrets.parse(secrets));
    },
  };
}

/** `secrets-unreachable`: no answer, or no permission. */
function unreadable(name: string, error: unknown): OuterloopError {
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new OuterloopError(
    "secrets-unreachable",
    `the parameter ${name} could not be read or written (${reason}): check region, credentials and the role's permissions`,
    { name },
    error,
  );
}
