/**
 * The port of `up`: the one asked for, else the usual one, else any that is free. A port that is free now may be taken
 * before the coordinator listens, so only one that it has got counts.
 *
 * @module
 */
import { createServer } from "node:net";
import { OuterloopError } from "../../schemas/index.ts";
import type { Children, ChildSpec } from "./children.ts";

/** Where MinIO is told to post its events, too. */
export const USUAL_PORT = 4650;

/** Before anything is begun. Typed errors: `port-taken`, `wrong-address`. */
export async function requireFreePort(host: string, port: number): Promise<void> {
  if ((await freePort(host, port)) === null) throw portTaken(port);
}

export interface CoordinatorStart {
  children: Children;
  host: string;
  /** Undefined: any will do. */
  asked: number | undefined;
  specOf: (port: number) => ChildSpec;
  /** Where to begin, if none was asked for. */
  usual?: number;
}

/** Starts the coordinator and returns the port on which it listens. Typed errors: `port-taken`, `child-failed`. */
export async function startCoordinator(start: CoordinatorStart): Promise<number> {
  const { children, host, asked, specOf, usual = USUAL_PORT } = start;
  let port = asked ?? (await freePort(host, usual)) ?? (await anyPort(host));
  for (;;) {
    const spec = specOf(port);
    children.start(spec);
    try {
      await children.ready(spec.name);
      return port;
    } catch (error) {
      const lost = (await freePort(host, port)) === null;
      if (!lost)
        throw new OuterloopError("child-failed", error instanceof Error ? error.message : String(error));
      if (asked !== undefined) throw portTaken(asked);
      port = await anyPort(host);
    }
  }
}

function portTaken(port: number): OuterloopError {
  return new OuterloopError("port-taken", `port ${port} is in use: choose another one with --port`, { port });
}

async function anyPort(host: string): Promise<number> {
  return (await freePort(host, 0)) ?? 0;
}

/** The port, or one that the system chooses for 0; null: it is in use. */
function freePort(host: string, port: number): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(null);
      else reject(wrongAddress(host, port, error));
    });
    server.listen(port, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : null));
    });
  });
}

function wrongAddress(host: string, port: number, cause: Error): OuterloopError {
  return new OuterloopError(
    "wrong-address",
    `expected an address of this machine that may be listened on, got ${host}:${port} (${cause.message}): choose others with --host and --port`,
    { host, port },
    cause,
  );
}
