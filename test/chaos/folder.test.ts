/**
 * Twenty rounds over a folder, each with a blow: kill -9, SIGSTOP, a full disk, networks cut and slow. All parameters are
 * equal at the end, and nothing that was acknowledged is missing.
 */
import { join } from "node:path";
import { afterEach, beforeEach, it } from "vitest";
import { openRun } from "../../functions/rounds/run-context.ts";
import { openStore } from "../../workers/local/storage.ts";
import { freePort, HOST } from "../services/free-port.ts";
import { startGateway } from "./gateway.ts";
import { openNetworks } from "./networks.ts";
import { expectWhole, live, startEverybody, summarise } from "./ordeal.ts";
import { planBlows, type Threat } from "./plan.ts";
import { createProcesses } from "./processes.ts";
import { makeRun, PEERS, ROUNDS, TICKET_SECRET } from "./run.ts";
import { mountSmallDisk } from "./small-disk.ts";
import { openStage, type Stage } from "./stage.ts";
import { commonThreats, LONG_SECONDS, SHORT_SECONDS } from "./threats.ts";

const DISK_MIB = 64;

let stage: Stage;
beforeEach(async () => {
  stage = await openStage("folder");
});
afterEach(() => stage.close());

it("twenty rounds over a folder, each with a blow", { timeout: 400_000 }, async ({ signal }) => {
  const { folder, seed, say, cleanUp } = stage;
  const dataDir = join(folder, "data");
  const disk = await mountSmallDisk(dataDir, DISK_MIB);
  if (typeof disk === "string") say(`no disk is filled, for none can be mounted: ${disk}`);
  else cleanUp(disk.close);
  const networks = await openNetworks(PEERS);
  if (typeof networks === "string") say(`peers have no networks of their own: ${networks}`);
  else cleanUp(networks.close);

  const store = openStore(dataDir, { storage: { kind: "folder" }, ticketSecret: TICKET_SECRET });
  const current = await makeRun(dataDir, store, { kind: "folder" });
  const coordinatorPort = await freePort();
  const host = typeof networks === "string" ? HOST : networks.address;
  const gateway = await startGateway(host, coordinatorPort);
  cleanUp(gateway.close);
  const processes = createProcesses(stage.logs);
  cleanUp(processes.stop);

  const threats: Threat[] = commonThreats(processes, gateway);
  if (typeof disk !== "string") {
    const full = { what: "full disk under", victims: ["everybody"], strike: disk.fill };
    threats.push({ ...full, seconds: SHORT_SECONDS }, { ...full, seconds: LONG_SECONDS });
  }
  if (typeof networks !== "string") {
    threats.push(
      { what: "packets lost of", victims: PEERS, seconds: LONG_SECONDS, strike: networks.lose },
      {
        what: "packets lost and connections forgotten of",
        victims: PEERS,
        seconds: SHORT_SECONDS,
        async strike(victim, seconds) {
          const lost = networks.lose(victim, seconds);
          gateway.forget(networks.addressOf(victim));
          await lost;
        },
      },
      { what: "slow network of", victims: PEERS, seconds: LONG_SECONDS, strike: networks.slow },
    );
  }
  const ordeal = {
    dataDir,
    current,
    context: await openRun(store, current.run),
    processes,
    gateway,
    authority: `${host}:${gateway.port}`,
    coordinatorPort,
    env: stage.env,
    workerEnv: stage.env,
    prefixOf: (peer: string) => (typeof networks === "string" ? [] : networks.prefix(peer)),
    say,
    signal,
  };
  startEverybody(ordeal);
  const status = await live(ordeal, planBlows(seed, ROUNDS, threats));
  summarise(ordeal, status);
  await expectWhole(ordeal, status);
  await processes.stop();
  stage.expectNobodyLeft();
});
