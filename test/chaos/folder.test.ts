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
import { lasting } from "./lasting.ts";
import { openNetworks, whyNoNetworks } from "./networks.ts";
import { expectHits, expectNoFaults, expectWhole, live, startEverybody, summarise } from "./ordeal.ts";
import { planBlows, type Threat } from "./plan.ts";
import { createProcesses } from "./processes.ts";
import { makeRun, PEERS, ROUNDS, TICKET_SECRET } from "./run.ts";
import { mountSmallDisk, whyNoSmallDisk } from "./small-disk.ts";
import { openStage, type Stage } from "./stage.ts";
import { commonThreats, LONG_SECONDS, SHORT_SECONDS } from "./threats.ts";

const DISK_MIB = 64;
const ENOSPC = /ENOSPC/;

const noDisk = await whyNoSmallDisk();
const noNetworks = await whyNoNetworks();
if (noDisk !== null) it.skip(`a full disk among the blows: ${noDisk}`, () => {});
if (noNetworks !== null) it.skip(`lost packets among the blows: ${noNetworks}`, () => {});

let stage: Stage;
beforeEach(async () => {
  stage = await openStage("folder");
});
afterEach(() => stage.close());

it("twenty rounds over a folder, each with a blow", { timeout: 400_000 }, async ({ signal }) => {
  const { folder, seed, say, cleanUp } = stage;
  const dataDir = join(folder, "data");
  const disk = noDisk === null ? await mountSmallDisk(dataDir, DISK_MIB) : null;
  if (disk !== null) cleanUp(disk.close);
  const networks = noNetworks === null ? await openNetworks(PEERS) : null;
  if (networks !== null) cleanUp(networks.close);

  const store = openStore(dataDir, { storage: { kind: "folder" }, ticketSecret: TICKET_SECRET });
  const current = await makeRun(dataDir, store, { kind: "folder" });
  const coordinatorPort = await freePort();
  const host = networks?.address ?? HOST;
  const gateway = await startGateway(host, coordinatorPort);
  cleanUp(gateway.close);
  const processes = createProcesses(stage.logs);
  cleanUp(processes.stop);

  const threats: Threat[] = commonThreats(processes, gateway);
  if (disk !== null) {
    const met = () => [...processes.lines.values()].flat().filter((line) => ENOSPC.test(line)).length;
    const full = {
      what: "full disk under",
      victims: ["everybody"],
      strike(_: string, seconds: number) {
        const before = met();
        return disk.fill(seconds, () => met() > before);
      },
    };
    threats.push({ ...full, seconds: SHORT_SECONDS }, { ...full, seconds: LONG_SECONDS });
  }
  if (networks !== null) {
    threats.push(
      { what: "packets lost of", victims: PEERS, seconds: LONG_SECONDS, strike: networks.lose },
      {
        what: "packets lost and connections forgotten of",
        victims: PEERS,
        seconds: SHORT_SECONDS,
        async strike(victim, seconds) {
          const address = networks.addressOf(victim);
          const isConnected = await lasting(0, () => gateway.connections(address) > 0);
          const lost = networks.lose(victim, seconds);
          gateway.forget(address);
          return (await lost) && isConnected;
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
    prefixOf: (peer: string) => networks?.prefix(peer) ?? [],
    say,
    signal,
  };
  startEverybody(ordeal);
  const blows = planBlows(seed, ROUNDS, threats);
  const { status, fallen } = await live(ordeal, blows);
  summarise(ordeal, status);
  expectHits(blows, fallen);
  expectNoFaults(ordeal);
  await expectWhole(ordeal, status);
  await processes.stop();
  stage.expectNobodyLeft();
});
