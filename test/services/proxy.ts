/**
 * A proxy in front of a service: counts requests, and has faults if it is told to. Signatures cover the host that a
 * client asked for, so it is passed on as it came.
 *
 * @module
 */
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { HOST } from "./free-port.ts";

/**
 * What happens to one request. `refuse`: answered 503 SlowDown and not passed on. `lose`: passed on, done, and its answer
 * lost with the connection, so that the client cannot know.
 */
export type Fault = "none" | "refuse" | "lose";

export interface FaultyProxy {
  endpoint: string;
  /** Requests so far, by method. */
  requests: Map<string, number>;
  /** Faults so far, by kind. */
  faults: Map<Fault, number>;
  close(): Promise<void>;
}

const SLOW_DOWN =
  '<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>';

/** Starts a proxy of `target`, `http://127.0.0.1:9000`. `onRequest` sees each request before it is passed on. */
export async function startProxy(
  target: string,
  faultOf: () => Fault = () => "none",
  onRequest: (request: IncomingMessage) => void = () => {},
): Promise<FaultyProxy> {
  const { hostname, port } = new URL(target);
  const requests = new Map<string, number>();
  const faults = new Map<Fault, number>();
  const count = <Key>(map: Map<Key, number>, key: Key) => void map.set(key, (map.get(key) ?? 0) + 1);

  const handle = (from: IncomingMessage, to: ServerResponse) => {
    count(requests, from.method ?? "?");
    onRequest(from);
    const fault = faultOf();
    count(faults, fault);
    if (fault === "refuse") {
      // The connection ends: the body that comes is nobody's.
      to.writeHead(503, { "content-type": "application/xml", connection: "close" });
      to.end(SLOW_DOWN);
      from.resume();
      return;
    }
    const onward = request(
      { hostname, port, method: from.method, path: from.url, headers: from.headers },
      (answer) => {
        if (fault === "lose") {
          answer.resume();
          answer.once("end", () => to.destroy());
          return;
        }
        to.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(to);
      },
    );
    onward.once("error", () => to.destroy());
    to.once("close", () => onward.destroy());
    from.pipe(onward);
  };
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const address = server.address();
  return {
    endpoint: `http://${HOST}:${typeof address === "object" && address !== null ? address.port : 0}`,
    requests,
    faults,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
