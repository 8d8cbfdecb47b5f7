/**
 * `npm run services`: a bucket on MinIO and queues on LocalStack, on the usual ports, until Ctrl-C. Installs what is
 * missing, says what to export and what to type next. `-- --json` prints one object instead; progress goes to stderr.
 *
 * @module
 */

import { once } from "node:events";
import { join } from "node:path";
import { type OptionSpec, readArguments, UsageError, type Values } from "../../workers/cli/arguments.ts";
import { MISUSED, runUntilStopped } from "../../workers/cli/lifetime.ts";
import { installServices } from "./install.ts";
import { REGION, type Service, startBoth, WEBHOOK_ARN } from "./services.ts";

const port: Omit<OptionSpec, "help"> = { kind: "integer", min: 1, max: 65_535 };
const OPTIONS: Record<string, OptionSpec> = {
  "minio-port": { ...port, help: "port of MinIO; its web page is one above (9000)" },
  "localstack-port": { ...port, help: "port of LocalStack (4566)" },
  "data-dir": { kind: "text", help: "MinIO's objects and both logs (.outerloop/services)" },
  events: { kind: "url", help: "where MinIO posts bucket events (http://127.0.0.1:4650/events)" },
  "install-only": { kind: "boolean", help: "install what is missing and end" },
  json: { kind: "boolean", help: "one JSON object on stdout, progress on stderr" },
  help: { kind: "boolean", help: "this" },
};

async function services(values: Values, signal: AbortSignal): Promise<void> {
  if (values["install-only"] === true) {
    await installServices({ signal });
    return;
  }
  const minioPort = Number(values["minio-port"] ?? 9000);
  const folder = String(values["data-dir"] ?? join(".outerloop", "services"));
  const token = process.env.OUTERLOOP_EVENTS_TOKEN ?? "local-events-token";
  const webhook = { url: String(values.events ?? "http://127.0.0.1:4650/events"), token };
  const running = await startBoth(
    { signal, port: minioPort, consolePort: minioPort + 1, folder: join(folder, "minio"), webhook },
    { signal, port: Number(values["localstack-port"] ?? 4566), folder: join(folder, "localstack") },
  );
  const { minio, localStack } = running;
  try {
    const facts = {
      minio: {
        ...facesOf(minio),
        console: `http://127.0.0.1:${minioPort + 1}`,
        webhook: { ...webhook, arn: WEBHOOK_ARN },
      },
      localStack: facesOf(localStack),
      environment: environmentOf(minio, token),
    };
    process.stdout.write(values.json === true ? `${JSON.stringify(facts)}\n` : textOf(facts));
    const failure = await Promise.race([minio.died, localStack.died, stopped(signal)]);
    if (failure !== null) throw failure;
  } finally {
    await running.stop();
  }
}

async function stopped(signal: AbortSignal): Promise<null> {
  if (!signal.aborted) await once(signal, "abort");
  return null;
}

function facesOf({ endpoint, accessKeyId, secretAccessKey, folder, logFile }: Service) {
  return { endpoint, accessKeyId, secretAccessKey, folder, logFile };
}

function environmentOf({ accessKeyId, secretAccessKey }: Service, token: string) {
  return {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_REGION: REGION,
    OUTERLOOP_EVENTS_TOKEN: token,
  };
}

interface Facts {
  minio: ReturnType<typeof facesOf> & { console: string };
  localStack: ReturnType<typeof facesOf>;
  environment: ReturnType<typeof environmentOf>;
}

function textOf({ minio, localStack, environment }: Facts): string {
  const at = `--endpoint ${minio.endpoint} --queue ${localStack.endpoint}`;
  const exports = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return `
MinIO       ${minio.endpoint}   objects stay in ${minio.folder}   page ${minio.console}
LocalStack  ${localStack.endpoint}   forgets everything when it stops

In another terminal:

  export ${exports.join(" ")}
  npm run outerloop -- provision ${at}
  npm run outerloop -- doctor ${at}
  npm start -- --store s3 ${at}

The bucket on LocalStack, too: --endpoint ${localStack.endpoint}, and ${localStack.secretAccessKey} as key and secret, which it signs with.
Ctrl-C stops both.
`;
}

function helpText(): string {
  const rows = Object.entries(OPTIONS).map(([name, { help }]) => `  --${name.padEnd(16)} ${help}\n`);
  return `npm run services -- [options]\n\n${rows.join("")}`;
}

try {
  const values = readArguments(process.argv.slice(2), OPTIONS);
  if (values.help === true) process.stdout.write(helpText());
  else process.exitCode = await runUntilStopped((signal) => services(values, signal));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`services: ${error.message}\n`);
  process.exitCode = MISUSED;
}
