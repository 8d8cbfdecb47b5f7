/**
 * What stands between the workers and the coordinator: it passes requests on, cuts and slows them, and writes down every
 * promise that the coordinator makes. Signatures cover the host that a client asked for, so it is passed on as it came.
 *
 * @module
 */
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Transform } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { type Acknowledgement, commitAnswer, stored } from "../../schemas/index.ts";
import { lasting } from "./lasting.ts";

const SLOW = { latencyMs: 300, bytesPerSecond: 64 * 1024 };

export interface Gateway {
  port: number;
  /** Commits that the coordinator has acknowledged, whether or not the answer got through. */
  readonly acknowledged: readonly Acknowledgement[];
  /** Keys of which it has said that they are stored. */
  readonly storedKeys: ReadonlySet<string>;
  /** No connection lives or is made. True: there was one to cut. */
  cut(seconds: number): Promise<boolean>;
  /** Every request waits a while, and answers trickle. True: there was one. */
  slow(seconds: number): Promise<boolean>;
  /** How many connections an address has. */
  connections(address: string): number;
  /** Resets the connections of one address, and of nobody else. */
  forget(address: string): void;
  close(): Promise<void>;
}

/** Starts one at an address of this machine, before a coordinator on a port of 127.0.0.1. */
export async function startGateway(host: string, coordinatorPort: number): Promise<Gateway> {
  const acknowledged: Acknowledgement[] = [];
  const storedKeys = new Set<string>();
  const agent = new Agent({ keepAlive: true });
  const sockets = new Set<Socket>();
  let [cuts, slows] = [0, 0];
  let [broken, delayed] = [0, 0];

  function writeDown(path: string, body: Buffer): void {
    if (path.endsWith("/commits")) {
      acknowledged.push(commitAnswer.parse(JSON.parse(body.toString())).acknowledgement.body);
    } else if (/\/(peers|intents|held-out|reports\/\d+)$/.test(path)) {
      storedKeys.add(stored.parse(JSON.parse(body.toString())).key);
    }
  }

  async function passOn(from: IncomingMessage, to: ServerResponse): Promise<void> {
    if (slows > 0) {
      delayed++;
      await sleep(SLOW.latencyMs);
    }
    const { method, url: path = "", headers } = from;
    const onward = request({ host: "127.0.0.1", port: coordinatorPort, method, path, headers, agent });
    onward.once("error", () => to.destroy());
    to.once("close", () => onward.destroy());
    onward.once("response", (answer) => {
      answer.once("error", () => to.destroy());
      to.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      if (method === "POST" && answer.statusCode === 200) {
        const parts: Buffer[] = [];
        answer.on("data", (part: Buffer) => parts.push(part));
        // Before the worker hears of it: a promise counts as soon as it is made.
        answer.once("end", () => {
          const body = Buffer.concat(parts);
          writeDown(path, body);
          to.end(body);
        });
      } else if (slows > 0) answer.pipe(trickle()).pipe(to);
      else answer.pipe(to);
    });
    from.pipe(onward);
  }

  function cutOff(socket: Socket): void {
    broken++;
    socket.destroy();
  }

  const of = (address: string) => [...sockets].filter(({ remoteAddress }) => remoteAddress === address);
  const server = createServer((from, to) => void passOn(from, to));
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    if (cuts > 0) cutOff(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    acknowledged,
    storedKeys,
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
    connections: (address) => of(address).length,
    forget(address) {
      for (const socket of of(address)) socket.resetAndDestroy();
    },
    close: () =>
      new Promise((resolve) => {
        agent.destroy();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function trickle(): Transform {
  return new Transform({
    transform(chunk: Buffer, _, done) {
      setTimeout(() => done(null, chunk), (1_000 * chunk.length) / SLOW.bytesPerSecond);
    },
  });
}
