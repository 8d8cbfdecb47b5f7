import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  GetParameterCommand,
  ParameterAlreadyExists,
  ParameterNotFound,
  PutParameterCommand,
  type SSMClient,
} from "@aws-sdk/client-ssm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createFileSecretStore } from "./file-secret-store.ts";
import { openSecretStore } from "./open-secret-store.ts";
import { runSecretsOf, type SecretStore } from "./secret-store.ts";
import { createSsmSecretStore } from "./ssm-secret-store.ts";

const run = `quick-start-1-${"ab".repeat(16)}`;
const secrets = {
  coordinatorSeed: "01".repeat(32),
  chainId: "02".repeat(32),
  lastLink: "03".repeat(32),
  chainLinks: 40,
  apiSeed: "04".repeat(32),
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-secrets-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The parameter store's answers, from a map. */
function parameterStore() {
  const parameters = new Map<string, string>();
  const metadata = { $metadata: {}, message: "" };
  const send = async (command: unknown) => {
    if (command instanceof GetParameterCommand) {
      const value = parameters.get(command.input.Name ?? "");
      if (value === undefined) throw new ParameterNotFound(metadata);
      return { Parameter: { Value: value } };
    }
    if (!(command instanceof PutParameterCommand)) throw new Error("not asked for");
    const { Name = "", Value = "", Type } = command.input;
    expect(Type).toBe("SecureString");
    if (parameters.has(Name)) throw new ParameterAlreadyExists(metadata);
    parameters.set(Name, Value);
    return {};
  };
  return { parameters, client: { send } as unknown as Pick<SSMClient, "send"> };
}

const stores: [string, () => SecretStore][] = [
  ["file", () => createFileSecretStore(join(folder, "contract"))],
  [
    "ssm",
    () =>
      createSsmSecretStore({
        prefix: "/outerloop/test",
        region: "eu-west-1",
        client: parameterStore().client,
      }),
  ],
];

describe.each(stores)("secret store contract: %s", (_, create) => {
  it("holds nothing of a run it does not know, then each part by itself", async () => {
    const store = create();
    expect([await store.coordinator(run), await store.api(run)]).toEqual([null, null]);
    await store.create(run, secrets);
    const { apiSeed, ...coordinator } = secrets;
    expect(await store.coordinator(run)).toEqual(coordinator);
    expect(await store.api(run)).toEqual({ apiSeed });
  });

  it("takes the same secrets again and refuses others", async () => {
    const store = create();
    await store.create(run, secrets);
    await store.create(run, secrets);
    const others = store.create(run, { ...secrets, lastLink: "ff".repeat(32) });
    await expect(others).rejects.toMatchObject({ code: "secrets-exist" });
    expect((await store.coordinator(run))?.lastLink).toBe(secrets.lastLink);
  });
});

it("files of secrets can be read by their owner alone", async () => {
  const place = join(folder, "modes");
  await (await openSecretStore(`file:${place}`, "")).create(run, secrets);
  const modes = await Promise.all(
    (await readdir(place)).map(async (name) => (await stat(join(place, name))).mode & 0o777),
  );
  expect(modes).toEqual([0o600, 0o600]);
});

it("a damaged file and a parameter of something else are typed errors", async () => {
  const store = createFileSecretStore(folder);
  await writeFile(join(folder, `${run}.api.json`), "{}");
  await expect(store.api(run)).rejects.toMatchObject({ code: "damaged-secrets" });
  const { parameters, client } = parameterStore();
  parameters.set(`/outerloop/test/api/${run}`, "not JSON");
  const ssm = createSsmSecretStore({ prefix: "/outerloop/test", region: "eu-west-1", client });
  await expect(ssm.api(run)).rejects.toMatchObject({ code: "damaged-secrets" });
});

it("a parameter store that refuses is a typed error that names the parameter", async () => {
  const client = {
    send: async () => {
      throw Object.assign(new Error("not authorized to perform: ssm:GetParameter"), {
        name: "AccessDeniedException",
      });
    },
  } as unknown as Pick<SSMClient, "send">;
  const ssm = createSsmSecretStore({ prefix: "/outerloop/test", region: "eu-west-1", client });
  await expect(ssm.coordinator(run)).rejects.toMatchObject({
    code: "secrets-unreachable",
    message: expect.stringContaining(`/outerloop/test/coordinator/${run}`),
  });
});

it.each(["", "vault:/x", "ssm:outerloop", "file:"])("%j names no place of secrets", async (setting) => {
  await expect(openSecretStore(setting, "eu-west-1")).rejects.toMatchObject({ code: "invalid-option" });
});

it("secrets become a key and a chain", () => {
  const { coordinator, chain } = runSecretsOf(secrets);
  expect(coordinator.publicKey).toMatch(/^[0-9a-f]{64}$/);
  expect(chain.link(40)).toBe(secrets.lastLink);
});
