/**
 * A network of its own for each peer: a namespace with one cable to this machine, which can go dead or slow without
 * either end being told.
 *
 * A namespace lives as long as a process in it. The first one waits for the end of a pipe, so nothing is left behind when
 * this process dies.
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { lasting } from "./lasting.ts";

/** A card that nobody has. */
const NOBODY = "02:00:00:00:00:00";
/** Nobody listens there: whoever is reached refuses at once. */
const NO_PORT = 1;
const SILENCE_MS = 500;
const SLOW = ["tbf", "rate", "256kbit", "burst", "4kb", "latency", "2s"];

export interface Networks {
  /** This machine, as all of them see it. */
  address: string;
  /** That of a network of this name. */
  addressOf(name: string): string;
  /** Words before a command line that put it into the network of this name. */
  prefix(name: string): string[];
  /** Whatever is sent is lost, and connections do not break: nobody learns anything. True: something was sent. */
  lose(name: string, seconds: number): Promise<boolean>;
  /** 256 kbit/s in either direction. True: something was sent. */
  slow(name: string, seconds: number): Promise<boolean>;
  close(): Promise<void>;
}

/** Makes them; an error says why that cannot be done here. */
export async function openNetworks(names: readonly string[]): Promise<Networks> {
  if (process.platform !== "linux") throw new Error("namespaces are Linux's");
  const net = freeNet();
  const address = `${net}.1`;
  const holders = new Map<string, { holder: ChildProcess; inside: string[] }>();
  const cable = (name: string) => {
    const place = names.indexOf(name);
    return {
      here: `ol${process.pid}h${place}`,
      there: `ol${process.pid}p${place}`,
      peer: `${net}.${10 + place}`,
    };
  };
  const enter = (name: string) => holders.get(name)?.inside ?? [];
  const close = async () => {
    await Promise.all(
      [...holders.values()].map(async ({ holder }) => {
        const gone = holder.exitCode === null ? once(holder, "exit") : null;
        holder.stdin?.end();
        await gone;
      }),
    );
  };

  try {
    for (const name of names) {
      const { here, there, peer } = cable(name);
      const holder = spawn("unshare", ["--net", "sh", "-c", "echo ready; read -r _"], {
        stdio: ["pipe", "pipe", "pipe"],
      });
      const isReady = await Promise.race([
        once(holder.stdout, "data").then(() => true),
        once(holder, "close").then(() => false),
        once(holder, "error").then(() => false),
      ]);
      if (!isReady || holder.pid === undefined) throw new Error("unshare --net is not allowed");
      holders.set(name, { holder, inside: ["nsenter", `--net=/proc/${holder.pid}/ns/net`] });
      run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", `${holder.pid}`);
      run("ip", "addr", "add", address, "peer", peer, "dev", here);
      run("ip", "link", "set", here, "up");
      run(...enter(name), "ip", "addr", "add", peer, "peer", address, "dev", there);
      run(...enter(name), "ip", "link", "set", "lo", "up");
      run(...enter(name), "ip", "link", "set", there, "up");
      // Whoever cannot slow it down should know now.
      run("tc", "qdisc", "replace", "dev", here, "root", ...SLOW);
      run("tc", "qdisc", "del", "dev", here, "root");
    }
  } catch (error) {
    await close();
    throw error;
  }

  /** Does something at both ends of a cable for a while; of two blows that overlap, the later one ends both. */
  const counts = new Map<string, number>();
  const during = async (
    what: string,
    begin: () => void,
    over: () => Promise<boolean>,
    end: () => void,
  ): Promise<boolean> => {
    counts.set(what, (counts.get(what) ?? 0) + 1);
    begin();
    const hit = await over();
    const others = (counts.get(what) ?? 1) - 1;
    counts.set(what, others);
    if (others === 0) end();
    return hit;
  };
  const atBothEnds = (name: string, words: (device: string, other: string) => string[]) => {
    const { here, there, peer } = cable(name);
    run(...words(here, peer));
    run(...enter(name), ...words(there, address));
  };
  const lose = (name: string) =>
    atBothEnds(name, (device, other) => [
      "ip",
      "neigh",
      "replace",
      other,
      "lladdr",
      NOBODY,
      "nud",
      "permanent",
      "dev",
      device,
    ]);
  const find = (name: string) =>
    atBothEnds(name, (device, other) => ["ip", "neigh", "del", other, "dev", device]);
  const slow = (name: string) =>
    atBothEnds(name, (device) => ["tc", "qdisc", "replace", "dev", device, "root", ...SLOW]);
  const speedUp = (name: string) =>
    atBothEnds(name, (device) => ["tc", "qdisc", "del", "dev", device, "root"]);
  return {
    address,
    addressOf: (name) => cable(name).peer,
    prefix: (name) => [...enter(name), "--"],
    lose: (name, seconds) =>
      during(
        `lose ${name}`,
        () => lose(name),
        async () => {
          const { here, peer } = cable(name);
          const before = packetsFrom(here);
          const [isLost, isSent] = await Promise.all([
            isSilent(peer),
            lasting(seconds, () => packetsFrom(here) > before),
          ]);
          return isLost && isSent;
        },
        () => find(name),
      ),
    slow: (name, seconds) =>
      during(
        `slow ${name}`,
        () => slow(name),
        () => lasting(seconds, () => bytesSlowed(cable(name).here) > 0),
        () => speedUp(name),
      ),
    close,
  };
}

/** Why none can be made here; null: they can. */
export async function whyNoNetworks(): Promise<string | null> {
  try {
    await (await openNetworks(["probe"])).close();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** How many packets the other end of a cable has sent, wherever they arrived. */
function packetsFrom(device: string): number {
  return Number(readFileSync(`/sys/class/net/${device}/statistics/rx_packets`, "utf8"));
}

/** How much has gone into a cable since it became slow; 0 of one that is not. */
function bytesSlowed(device: string): number {
  const { stdout } = spawnSync("tc", ["-s", "qdisc", "show", "dev", device], { encoding: "utf8" });
  return Number(/^qdisc tbf .*\n Sent (\d+) bytes/m.exec(stdout)?.[1] ?? 0);
}

/** True: not even a refusal comes back from an address. */
function isSilent(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: NO_PORT, timeout: SILENCE_MS });
    socket.once("timeout", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** Three bytes of the range for tests of networks (RFC 2544) that no card of this machine uses. */
function freeNet(): string {
  const taken = Object.values(networkInterfaces()).flatMap((cards) =>
    (cards ?? []).map(({ address }) => address),
  );
  for (let i = 0; ; i++) {
    const net = `198.18.${(process.pid + i) % 256}`;
    if (i >= 256 || !taken.some((address) => address.startsWith(`${net}.`))) return net;
  }
}

function run(...[program = "", ...args]: string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${[program, ...args].join(" ")}: ${error?.message ?? stderr.trim()}`);
}
