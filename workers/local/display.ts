/**
 * What `up` shows while it works: on a terminal a line per peer that moves, elsewhere plain lines.
 *
 * @module
 */
import { styleText } from "node:util";
import { createLogUpdate } from "log-update";
import type { RunStatus } from "../../schemas/index.ts";
import type { WorkerEvent } from "../peer/events.ts";
import type { RoundSeconds } from "./timeline.ts";

const BAR_WIDTH = 20;
const REDRAW_MS = 80;

export interface PeerLine {
  name: string;
  peer: string;
  behaviour: string;
}

export interface RoundLine {
  round: number;
  rounds: number;
  heldOutLoss: number | null;
  selected: string[];
  refused: { peer: string; reason: string }[];
  bytesUp: number;
  bytesDown: number;
  seconds: RoundSeconds;
}

export interface Display {
  line(text: string): void;
  peers(peers: readonly PeerLine[]): void;
  event(name: string, event: WorkerEvent): void;
  status(status: RunStatus): void;
  round(line: RoundLine): void;
  /** Leaves what is on the screen and shows nothing more that moves. */
  end(): void;
}

/** `out`: stdout for people, stderr where stdout belongs to a machine. */
export function createDisplay(out: NodeJS.WriteStream): Display {
  return out.isTTY ? terminalDisplay(out) : plainDisplay(out);
}

function plainDisplay(out: NodeJS.WriteStream): Display {
  const line = (text: string) => void out.write(`${text}\n`);
  return {
    line,
    peers: (peers) => {
      for (const { name, peer, behaviour } of peers) line(`${name} ${peer} ${behaviour}`);
    },
    event: (name, event) => {
      if (event.kind === "note") line(`${name}: ${event.text}`);
    },
    status: () => {},
    round: (round) => line(roundText(round)),
    end: () => {},
  };
}

function terminalDisplay(out: NodeJS.WriteStream): Display {
  const update = createLogUpdate(out);
  let peers: readonly PeerLine[] = [];
  const doing = new Map<string, WorkerEvent>();
  let status: RunStatus | null = null;
  let drawnAt = 0;
  let ended = false;
  const draw = () => {
    if (ended) return;
    drawnAt = Date.now();
    update(
      [
        ...peers.map((peer) => peerText(peer, doing.get(peer.name))),
        ...(status ? [statusText(status)] : []),
      ].join("\n"),
    );
  };
  const drawSoon = () => {
    if (Date.now() - drawnAt >= REDRAW_MS) draw();
  };
  const line = (text: string) => {
    update.clear();
    out.write(`${text}\n`);
    draw();
  };
  return {
    line,
    peers(list) {
      peers = list;
      draw();
    },
    event(name, event) {
      if (event.kind === "note") return line(styleText("dim", `${name}: ${event.text}`));
      doing.set(name, event);
      drawSoon();
    },
    status(next) {
      status = next;
      drawSoon();
    },
    round: (round) => line(roundText(round)),
    end() {
      update.clear();
      update.done();
      ended = true;
    },
  };
}

function peerText({ name, peer, behaviour }: PeerLine, event: WorkerEvent | undefined): string {
  const label =
    behaviour === "honest" ? styleText("dim", behaviour.padEnd(9)) : styleText("red", behaviour.padEnd(9));
  return `  ${name.padEnd(7)} ${peer.slice(0, 8)} ${label} ${doingText(event)}`;
}

function doingText(event: WorkerEvent | undefined): string {
  if (event === undefined) return styleText("dim", "starting");
  switch (event.kind) {
    case "step": {
      const done = Math.round((BAR_WIDTH * event.step) / event.of);
      const bar = "█".repeat(done) + styleText("dim", "░".repeat(BAR_WIDTH - done));
      return `${bar} step ${event.step}/${event.of}  loss ${event.loss.toFixed(3)}`;
    }
    case "committed":
      return `${"█".repeat(BAR_WIDTH)} committed ${event.bytes} bytes`;
    case "uploaded":
      return `${"█".repeat(BAR_WIDTH)} uploaded, waiting for the verdict`;
    case "applied":
      return styleText("dim", `pulled round ${event.round}, state ${event.stateHash.slice(0, 8)}`);
    default:
      return styleText("dim", event.kind);
  }
}

function statusText({ round, rounds, phase, waitingFor, endsAt, asOf }: RunStatus): string {
  const left =
    endsAt === null
      ? ""
      : ` (${Math.max(0, Math.round((Date.parse(endsAt) - Date.parse(asOf)) / 1_000))} s at most)`;
  const what =
    waitingFor.length === 0
      ? ""
      : `: ${waitingFor
          .slice(0, 3)
          .map(({ text }) => text)
          .join(", ")}${waitingFor.length > 3 ? ", …" : ""}${left}`;
  return styleText("dim", `  round ${round} of ${rounds}, ${phase}${what}`);
}

/** One finished round in one line, and one more for each update that was not used. */
function roundText({
  round,
  rounds,
  heldOutLoss,
  selected,
  refused,
  bytesUp,
  bytesDown,
  seconds,
}: RoundLine): string {
  const loss = heldOutLoss === null ? "loss ?" : `loss ${heldOutLoss.toFixed(3)}`;
  const parts = (["train", "upload", "check", "evaluate", "aggregate", "publish"] as const).map(
    (part) => `${part} ${seconds[part].toFixed(2)}`,
  );
  const head = `round ${String(round).padStart(String(rounds).length)}  ${loss}  selected ${selected.length}  not used ${refused.length}`;
  return [
    `${head}  up ${kilobytes(bytesUp)}  down ${kilobytes(bytesDown)}  ${seconds.total.toFixed(2)} s: ${parts.join("  ")}`,
    ...refused.map(({ peer, reason }) => `    ${peer.slice(0, 8)} ${reason}`),
  ].join("\n");
}

/** Decimal kilobytes. */
export function kilobytes(bytes: number): string {
  return `${(bytes / 1_000).toFixed(1)} kB`;
}
