/**
 * A wire to a server that can be cut and slowed. It knows bytes alone, so signatures and streams pass as they are.
 *
 * @module
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { Transform } from "node:stream";
import { HOST } from "../services/free-port.ts";
import { lasting } from "./lasting.ts";

/** Each piece that comes through waits so long. */
const LATENCY_MS = 150;

export interface Wire {
  /** `http://127.0.0.1:PORT` */
  endpoint: string;
  /** No connection lives or is made. True: there was one to cut. */
  cut(seconds: number): Promise<boolean>;
  /** True: something came through. */
  slow(seconds: number): Promise<boolean>;
  close(): Promise<void>;
}

export async function startWire(port: number): Promise<Wire> {
  const sockets = new Set<Socket>();
  let [cuts, slows] = [0, 0];
  let [broken, delayed] = [0, 0];
  const cutOff = (socket: Socket) => {
    broken++;
    socket.destroy();
  };
  const delay = () =>
    new Transform({
      transform(chunk: Buffer, _, done) {
        if (slows === 0) {
          done(null, chunk);
          return;
        }
        delayed++;
        setTimeout(() => done(null, chunk), LATENCY_MS);
      },
    });
  const server = createServer((near) => {
    if (cuts > 0) {
      cutOff(near);
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
      const before = broken;
      for (const socket of sockets) cutOff(socket);
      const hit = await lasting(seconds, () => broken > before);
      cuts--;
      return hit;
    },
    async slow(seconds) {
      slows++;
      const before = delayed;
      const hit = await lasting(seconds, () => delayed > before);
      slows--;
      return hit;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
