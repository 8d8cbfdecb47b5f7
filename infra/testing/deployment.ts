/**
 * Runs the real `sst.config.ts` without an account: Pulumi gets a stand-in for its engine, SST one for its command
 * line, and every resource that is declared is kept. Once in a process, because SST keeps state in its modules.
 *
 * It shows what is asked of AWS. It does not show that AWS takes it: nothing here checks values as AWS would, and
 * SST's own stack transformations (retaining buckets, naming) do not run.
 *
 * @module
 */
import { mkdir } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import * as pulumi from "../../.sst/platform/node_modules/@pulumi/pulumi/index.js";
import { answered, created } from "./account.ts";

/** A declared resource. */
export interface Declared {
  type: string;
  name: string;
  inputs: Readonly<Record<string, unknown>>;
}

/** A bundle that SST asked its command line for. */
export interface AskedBundle {
  handler: string;
  runtime: string;
  properties: Readonly<Record<string, unknown>>;
  copyFiles: readonly { from: string; to: string }[];
}

export interface Deployment {
  app: { name: string; removal: string; protect: boolean; region: string };
  outputs: Readonly<Record<string, unknown>>;
  resources: readonly Declared[];
  bundles: readonly AskedBundle[];
  /** Resources of a type (`s3/bucket:Bucket`), in the order of their declaration. */
  ofType(type: string): Declared[];
  /** The one resource of a type with this name. */
  named(type: string, name: string): Declared;
}

const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** Declares a stage, with settings as in `stage.ts`; `edits`: what somebody wrote into `sst.config.ts` instead. */
export async function declare(
  stage: string,
  settings: Readonly<Record<string, string>> = {},
  edits: { removal?: "remove"; protect?: boolean } = {},
): Promise<Deployment> {
  Object.assign(process.env, settings);
  const resources: Declared[] = [];
  Object.assign(globalThis, { $config: (config: unknown) => config });
  const { default: config } = await import("../../sst.config.ts");
  const app = { ...(await config.app({ stage })), ...edits };

  const bundles: AskedBundle[] = [];
  process.env.SST_SERVER = await startCommandLine(bundles);
  await pulumi.runtime.setMocks(
    {
      newResource({ type, name, inputs }) {
        resources.push({ type, name, inputs });
        return created(type, name, inputs);
      },
      call: ({ token, inputs }) => answered(token, inputs),
    },
    app.name,
    stage,
    false,
  );
  await setGlobals(app, stage);

  const outputs = await settled(async () => {
    const declared = (await config.run()) ?? {};
    return new Promise<Record<string, unknown>>((resolve) => {
      pulumi.output(declared).apply(resolve);
    });
  });
  const ofType = (type: string) => resources.filter((resource) => resource.type === `aws:${type}`);
  const aws = app.providers?.aws;
  return {
    app: {
      name: app.name,
      removal: app.removal ?? "retain",
      protect: app.protect ?? false,
      region: typeof aws === "object" ? String(aws.region) : "",
    },
    outputs,
    resources,
    bundles,
    ofType,
    named(type, name) {
      const found = ofType(type).filter((resource) => resource.name === name);
      if (found.length === 1 && found[0] !== undefined) return found[0];
      const names = ofType(type).map((resource) => resource.name);
      throw new Error(`expected one ${type} called ${name}; there are ${names.join(", ") || "none"}`);
    },
  };
}

/** What the command line puts into the global scope before it runs a configuration. */
async function setGlobals(app: object, stage: string): Promise<void> {
  const globals = {
    $app: { ...app, stage },
    $dev: false,
    $cli: {
      command: "diff",
      state: { version: {} },
      paths: { root, home: `${root}/.sst/home`, work: `${root}/.sst`, platform: `${root}/.sst/platform` },
    },
    $util: pulumi,
    $output: pulumi.output,
    $resolve: pulumi.all,
    $interpolate: pulumi.interpolate,
    $concat: pulumi.concat,
    $jsonStringify: pulumi.jsonStringify,
    $jsonParse: pulumi.jsonParse,
  };
  Object.assign(globalThis, globals);
  const aws = await import("../../.sst/platform/node_modules/@pulumi/aws/index.js");
  const sst = await import("../../.sst/platform/src/components/index.js");
  Object.assign(globalThis, { aws, sst });
}

/** SST asks its command line to bundle functions; here they are bundled elsewhere (`functions/triggers/lambda`). */
async function startCommandLine(asked: AskedBundle[]): Promise<string> {
  const empty = `${root}/.sst/empty`;
  await mkdir(empty, { recursive: true });
  const server = createServer(async (request, response) => {
    const { method, params } = JSON.parse(await text(request));
    if (method !== "Runtime.Build") return response.end(JSON.stringify({ result: {} }));
    asked.push(params[0]);
    response.end(
      JSON.stringify({ result: { handler: "bundle.handler", out: empty, errors: [], sourcemaps: [] } }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/**
 * Runs a program and waits until everything it declares is declared. Where an output fails, Pulumi would wait for ever
 * and the failure be an unhandled rejection: that ends the wait.
 */
async function settled<T>(program: () => Promise<T>): Promise<T> {
  const failure = Promise.withResolvers<never>();
  process.once("unhandledRejection", failure.reject);
  try {
    const result = await Promise.race([program(), failure.promise]);
    // Not among its published types.
    const { waitForRPCs } = pulumi.runtime as unknown as { waitForRPCs(): Promise<void> };
    await Promise.race([waitForRPCs(), failure.promise]);
    return result;
  } finally {
    process.off("unhandledRejection", failure.reject);
  }
}
