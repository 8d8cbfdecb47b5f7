/**
 * Ports on 127.0.0.1.
 *
 * @module
 */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { OuterloopError } from "../../schemas/index.ts";

export const HOST = "127.0.0.1";

/**
 * Below the range that systems take the near ends of connections from (Linux: from 32768, macOS: from 49152). Otherwise
 * a client could be given the port while a killed server is away, and one that keeps knocking could even meet itself.
 */
const FIRST = 20_000;
const LAST = 32_000;

const handedOut = new Set<number>();

/** A port that is free and was not handed out by this process before. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, LAST + 1);
    if (handedOut.has(port) || !(await isFree(port))) continue;
    handedOut.add(port);
    return port;
  }
}

/** Typed error `port-taken`: whoever is there would be taken for the server that is to start. */
export async function requireFree(port: number, what: string): Promise<void> {
  if (await isFree(port)) return;
  throw new OuterloopError(
    "port-taken",
    `${what} is to listen on port ${port} of ${HOST}, and something else does: stop that, or choose another port`,
    { port },
  );
}

/** Whether a server could listen there; port 0 asks for the address alone. */
export function isFree(port: number, host = HOST): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}
