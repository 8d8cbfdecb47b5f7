/**
 * A server that gives answers from a script, one after the other: the faults of a service, on demand and in order.
 *
 * @module
 */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as it came. */
export interface Received {
  method: string;
  /** Path and query. */
  url: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** One step of a script. */
export type Answer = (request: Received, response: ServerResponse) => void;

export interface ScriptedServer {
  endpoint: string;
  /** All that came so far. */
  received: Received[];
  /** How many connections were made for it. */
  connections(): number;
  /** Adds to the script; its last step goes on for ever. */
  script(...answers: Answer[]): void;
  close(): Promise<void>;
}

export async function startScriptedServer(): Promise<ScriptedServer> {
  const received: Received[] = [];
  const steps: Answer[] = [];
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const { method = "", url = "", headers } = request;
    const came = { method, url, headers, body: Buffer.concat(pieces) };
    received.push(came);
    const step = steps.length > 1 ? steps.shift() : steps[0];
    if (step === undefined) response.destroy();
    else step(came, response);
  });
  let connections = 0;
  server.on("connection", () => {
    connections += 1;
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    received,
    connections: () => connections,
    script(...answers) {
      steps.push(...answers);
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** An answer with a body. */
export function answer(
  status: number,
  body: string | Uint8Array = "",
  headers: Record<string, string> = {},
): Answer {
  return (request, response) => {
    const length = { "content-length": String(Buffer.byteLength(body)) };
    response.writeHead(status, { ...length, ...headers });
    response.end(request.method === "HEAD" ? undefined : body);
  };
}

/** S3's way to say no; without a body for HEAD. */
export function s3Error(status: number, code: string, headers: Record<string, string> = {}): Answer {
  const xml = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>says the script</Message></Error>`;
  return answer(status, xml, { "content-type": "application/xml", ...headers });
}

/** SQS's way to say no. */
export function sqsError(status: number, code: string): Answer {
  const body = JSON.stringify({ __type: `com.amazonaws.sqs#${code}`, message: "says the script" });
  return answer(status, body, { "content-type": "application/x-amz-json-1.0" });
}

/** The connection breaks without an answer. */
export const reset: Answer = (_, response) => void response.destroy();

/** The connection breaks after so many bytes of the body that was promised; with a `content-range`, of a part. */
export function brokenAfter(
  sizeBytes: number,
  body: Uint8Array,
  headers: Record<string, string> = {},
): Answer {
  return (_, response) => {
    const status = "content-range" in headers ? 206 : 200;
    response.writeHead(status, { "content-length": String(body.byteLength), ...headers });
    response.write(body.subarray(0, sizeBytes), () => response.destroy());
  };
}
