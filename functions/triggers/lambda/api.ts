/**
 * Lambda function: the API, called by an HTTP API of API Gateway (payload 2.0).
 *
 * @module
 */
import { handle, type LambdaEvent } from "hono/aws-lambda";
import { createApi } from "../../api/app.ts";
import { readApiConfiguration } from "./configuration.ts";
import { openApiEnvironment } from "./environment.ts";
import { start } from "./start.ts";

export const handler = await start("api", async () => {
  const call = handle(createApi(await openApiEnvironment(readApiConfiguration(process.env))));
  return (event: LambdaEvent) => call(event);
});
