/**
 * What calls functions in the cloud, for functions in processes of this machine: instances, an HTTP API, an event source
 * mapping of a queue.
 *
 * @module
 */
import { createServer, type Server } from "node:http";
import {
  DeleteMessageCommand,
  ReceiveMessageCommand,
  type SQSClient,
  type Message as SqsMessage,
} from "@aws-sdk/client-sqs";
import type { LambdaProcess, LogLine } from "./lambda-process.ts";

export interface Instances {
  /** Calls an instance that has nothing to do, a new one if there is none. */
  invoke(event: unknown): Promise<unknown>;
  /** Ends all of them and returns what they logged. */
  stop(): Promise<LogLine[]>;
}

/** As many instances of a function as are called at once. */
export function createInstances(start: () => Promise<LambdaProcess>): Instances {
  const all: Promise<LambdaProcess>[] = [];
  const idle: LambdaProcess[] = [];
  return {
    async invoke(event) {
      const starting = idle.pop() ?? start();
      if (starting instanceof Promise) all.push(starting);
      const instance = await starting;
      try {
        return await instance.invoke(event);
      } finally {
        idle.push(instance);
      }
    },
    async stop() {
      const logs = await Promise.all(all.map(async (instance) => (await instance).stop()));
      return logs.flat();
    },
  };
}

/** An HTTP API with one route, `$default`, on a port of this machine. */
export function listen(instances: Instances, port: number): Promise<Server> {
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    const url = new URL(request.url ?? "/", `http://${request.headers.host}`);
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, [value].flat().join(",")]),
    );
    const method = request.method ?? "GET";
    const domainName = url.host;
    const answer = (await instances.invoke({
      version: "2.0",
      routeKey: "$default",
      rawPath: url.pathname,
      rawQueryString: url.search.slice(1),
      headers,
      requestContext: { domainName, stage: "$default", http: { method, path: url.pathname } },
      ...(body.length === 0 ? {} : { body: body.toString("base64") }),
      isBase64Encoded: body.length > 0,
    })) as { statusCode: number; headers: Record<string, string>; body: string; isBase64Encoded: boolean };
    response
      .writeHead(answer.statusCode, answer.headers)
      .end(Buffer.from(answer.body, answer.isBase64Encoded ? "base64" : "utf8"));
  });
  return new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve(server)));
}

/** Polls a queue and calls with what it finds until `signal`; what the function does not name as failed is deleted. */
export async function mapQueue(
  sqs: SQSClient,
  queueUrl: string,
  instances: Instances,
  { batchSize, signal }: { batchSize: number; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    const receive = new ReceiveMessageCommand({
      QueueUrl: queueUrl,
      MaxNumberOfMessages: batchSize,
      WaitTimeSeconds: 1,
      MessageSystemAttributeNames: ["All"],
    });
    const { Messages = [] } = await sqs.send(receive);
    if (Messages.length === 0) continue;
    const answer = (await instances.invoke({ Records: Messages.map(recordOf) })) as {
      batchItemFailures: { itemIdentifier: string }[];
    };
    const failed = new Set(answer.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    for (const { MessageId = "", ReceiptHandle } of Messages) {
      if (!failed.has(MessageId))
        await sqs.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle }));
    }
  }
}

function recordOf({ MessageId, ReceiptHandle, Body, Attributes }: SqsMessage) {
  return {
    messageId: MessageId,
    receiptHandle: ReceiptHandle,
    body: Body,
    attributes: Attributes,
    messageAttributes: {},
    eventSource: "aws:sqs",
  };
}
