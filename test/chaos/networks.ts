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
import { networkInterfaces } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** A card that nobody has. */
const NOBODY = "02:00:00:00:00:00";
const SLOW = ["tbf", "rate", "256kbit", "burst", "4kb", "latency", "2s"];

export interface Networks {
  /** This machine, as all of them see it. */
  address: string;
  /** That of a network of this name. */
  addressOf(name: string): string;
  /** Words before a command line that put it into the network of this name. */
  prefix(name: string): string[];
  /** Whatever is sent is lost. Connections do not break: nobody learns anything. */
  lose(name: string, seconds: number): Promise<void>;
  /** 256 kbit/s in either direction. */
  slow(name: string, seconds: number): Promise<void>;
  close(): Promise<void>;
}

/** Makes them, or says why that cannot be done here. */
export async function openNetworks(names: readonly string[]): Promise<Networks | string> {
  if (process.platform !== "linux") return "namespaces are Linux's";
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
    return (error as Error).message;
  }

  /** Does something at both ends of a cable for a while; of two blows that overlap, the later one ends both. */
  const counts = new Map<string, number>();
  const during = async (what: string, seconds: number, begin: () => void, end: () => void) => {
    counts.set(what, (counts.get(what) ?? 0) + 1);
    begin();
    await sleep(1_000 * seconds);
    const others = (counts.get(what) ?? 1) - 1;
    counts.set(what, others);
    if (others === 0) end();
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
        seconds,
        () => lose(name),
        () => find(name),
      ),
    slow: (name, seconds) =>
      during(
        `slow ${name}`,
        seconds,
        () => slow(name),
        () => speedUp(name),
      ),
    close,
  };
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
