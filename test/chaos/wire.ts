/**
 * A wire to a server that can be cut and slowed. It knows bytes alone, so signatures and streams pass as they are.
 *
 * @module
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { Transform } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { HOST } from "../services/free-port.ts";

/** Each piece that comes through waits so long. */
const LATENCY_MS = 150;

export interface Wire {
  /** `http://127.0.0.1:PORT` */
  endpoint: string;
  /** No connection lives or is made. */
  cut(seconds: number): Promise<void>;
  slow(seconds: number): Promise<void>;
  close(): Promise<void>;
}

export async function startWire(port: number): Promise<Wire> {
  const sockets = new Set<Socket>();
  let [cuts, slows] = [0, 0];
  const delay = () =>
    new Transform({
      transform(chunk: Buffer, _, done) {
        if (slows === 0) done(null, chunk);
        else setTimeout(() => done(null, chunk), LATENCY_MS);
      },
    });
  const server = createServer((near) => {
    if (cuts > 0) {
      near.destroy();
      return;
    }
    const far = connect(port, HOST);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.once("error", () => other.destroy());
      one.once("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(delay()).pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  return {
    endpoint: `http://${HOST}:${(server.address() as AddressInfo).port}`,
    async cut(seconds) {
      cuts++;
      for (const socket of sockets) socket.destroy();
      await sleep(1_000 * seconds);
      cuts--;
    },
    async slow(seconds) {
      slows++;
      await sleep(1_000 * seconds);
      slows--;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
