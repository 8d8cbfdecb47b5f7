/**
 * A port that was free when it was looked for may be somebody else's when the coordinator listens.
 */
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Children, createChildren } from "./children.ts";
import { requireFreePort, startCoordinator } from "./port.ts";

const HOST = "127.0.0.1";

/** Says that it is ready once it listens on its port, and is misused where that is taken. */
const COORDINATOR = `
import { createServer } from "node:net";
const server = createServer();
server.once("error", () => process.exit(2));
server.listen(Number(process.argv[2]), "${HOST}", () => process.send({ kind: "ready", who: "", at: 0 }));
`;

let folder: string;
let children: Children;
let rival: Server;
let taken: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-port-"));
  await writeFile(join(folder, "coordinator.mjs"), COORDINATOR);
  children = createChildren({ onEvent: () => {}, onNote: () => {}, restartDelaysMs: [1, 1] });
  rival = createServer();
  rival.listen(0, HOST);
  await once(rival, "listening");
  const address = rival.address();
  taken = typeof address === "object" && address !== null ? address.port : 0;
});
afterEach(async () => {
  await children.stop();
  rival.close();
  await rm(folder, { recursive: true, force: true });
});

/** What is started on a port; `before` happens between the look and the start. */
const specOf =
  (before = (_port: number) => {}) =>
  (port: number) => {
    before(port);
    return {
      name: "coordinator",
      args: [join(folder, "coordinator.mjs"), String(port)],
      logFile: join(folder, "log"),
      ends: false,
      env: process.env,
    };
  };

/** Lets the rival go, so that its port is found free, and has it back before the coordinator listens. */
async function raced(asked: number | undefined) {
  await new Promise((resolve) => rival.close(resolve));
  let first = true;
  const takeBack = (port: number) => {
    if (first) rival = createServer().listen(port, HOST);
    first = false;
  };
  return startCoordinator({ children, host: HOST, asked, usual: taken, specOf: specOf(takeBack) });
}

it("a coordinator that loses the usual port gets another one", async () => {
  const port = await raced(undefined);
  expect(port).not.toBe(taken);
  await expect(requireFreePort(HOST, port)).rejects.toMatchObject({ code: "port-taken" });
});

it("one that loses the port that was asked for does not", async () => {
  await expect(raced(taken)).rejects.toMatchObject({ code: "port-taken", details: { port: taken } });
});

it("one that cannot start for another reason is not started elsewhere", async () => {
  await new Promise((resolve) => rival.close(resolve));
  const broken = (port: number) => ({ ...specOf()(port), args: [join(folder, "nothing.mjs")] });
  await expect(
    startCoordinator({ children, host: HOST, asked: undefined, usual: taken, specOf: broken }),
  ).rejects.toMatchObject({ code: "child-failed" });
});

it("an address that is not this machine's is refused before anything is begun", async () => {
  await expect(requireFreePort("203.0.113.1", 0)).rejects.toMatchObject({
    code: "wrong-address",
    message: expect.stringContaining("--host"),
  });
});
