/**
 * How fast large objects go up and down with tickets, by the client that peers use and by curl.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createApiClient } from "../../../functions/api/client.ts";
import type { Ticket } from "../../../functions/storage/object-store.ts";
import { OuterloopError, sha256, toInstant } from "../../../schemas/index.ts";
import type { Transfer } from "../result.ts";
import { secondsUntil, spreadOf } from "../spread.ts";
import type { Stack } from "./stacks.ts";

const run = promisify(execFile);

export const TRANSFER_BYTES = 16 * 1024 * 1024;
const TICKET_MS = 10 * 60 * 1_000;

/** Seconds of one repeat; curl's are null where there is no curl. */
interface Seconds {
  up: number;
  down: number;
  curl: { up: number; down: number } | null;
}

export async function measureTransfers(
  stacks: readonly Stack[],
  repeats: number,
  signal: AbortSignal,
): Promise<Transfer[]> {
  const folder = await mkdtemp(join(tmpdir(), "outerloop-benchmark-"));
  const bytes = randomBytes(TRANSFER_BYTES);
  const file = join(folder, "object");
  const seconds = stacks.map(() => [] as Seconds[]);
  try {
    await writeFile(file, bytes);
    const payload: Payload = { bytes, sha256: sha256(bytes), file };
    const curl = await isThere("curl");
    // The first repeat warms up and is not counted.
    for (let repeat = 0; repeat <= repeats; repeat++) {
      for (const [at, stack] of stacks.entries()) {
        signal.throwIfAborted();
        // Who goes first changes, so that neither always finds the warmer server.
        const curlFirst = curl && repeat % 2 === 1;
        const before = curlFirst ? await byCurl(stack, payload) : null;
        const peer = await byPeer(stack, payload);
        const after = curl && !curlFirst ? await byCurl(stack, payload) : before;
        if (repeat > 0) seconds[at]?.push({ ...peer, curl: after });
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return stacks.map(({ name }, at) => transferOf(name, seconds[at] ?? []));
}

function transferOf(stack: Transfer["stack"], repeats: readonly Seconds[]): Transfer {
  const speed = (seconds: number) => TRANSFER_BYTES / 2 ** 20 / seconds;
  const share = (way: "up" | "down") => {
    const shares = repeats.map((one) => (one.curl === null ? null : one.curl[way] / one[way]));
    const known = shares.filter((value) => value !== null);
    return known.length < shares.length ? null : spreadOf(known);
  };
  return {
    stack,
    uploadMebibytesPerSecond: spreadOf(repeats.map(({ up }) => speed(up))),
    downloadMebibytesPerSecond: spreadOf(repeats.map(({ down }) => speed(down))),
    uploadShareOfCurl: share("up"),
    downloadShareOfCurl: share("down"),
  };
}

interface Payload {
  bytes: Uint8Array;
  sha256: string;
  /** The same bytes on disk. */
  file: string;
}

async function byPeer({ store, origin }: Stack, payload: Payload): Promise<{ up: number; down: number }> {
  const client = createApiClient({ coordinator: origin });
  const key = "transfers/by-peer";
  const upload = await uploadTicket(store, key, payload);
  const up = await secondsUntil(() => client.upload(forPeer(upload), payload.bytes));
  const ticket = await store.presignGet(key, { expiresAtMs: Date.now() + TICKET_MS });
  let got: Uint8Array | null = null;
  const down = await secondsUntil(async () => {
    got = await client.download(forPeer(ticket));
  });
  requireWhole(key, (got as Uint8Array | null)?.byteLength);
  await store.delete(key);
  return { up, down };
}

/** Its own time, from the connection to the last byte; what it receives goes nowhere. */
async function byCurl({ store }: Stack, payload: Payload): Promise<{ up: number; down: number }> {
  const key = "transfers/by-curl";
  const upload = await uploadTicket(store, key, payload);
  const { "content-length": _, ...headers } = upload.headers;
  const lines = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  // Without its usual "Expect: 100-continue", which a server may leave unanswered for a second.
  const up = await curl(["-T", payload.file, "-H", "Expect:", ...lines, upload.url]);
  const download = await store.presignGet(key, { expiresAtMs: Date.now() + TICKET_MS });
  const down = await curl([download.url]);
  requireWhole(key, down.sizeBytes);
  await store.delete(key);
  return { up: up.seconds, down: down.seconds };
}

async function curl(args: readonly string[]): Promise<{ seconds: number; sizeBytes: number }> {
  const written = "%{http_code} %{time_total} %{size_download}";
  const { stdout } = await run("curl", ["-sS", "-g", "-q", "-o", "/dev/null", "-w", written, ...args]);
  const [status, seconds, sizeBytes] = stdout.split(" ").map(Number);
  if (status === 200) return { seconds: seconds ?? Number.NaN, sizeBytes: sizeBytes ?? 0 };
  throw new OuterloopError("unexpected-answer", `curl expected 200, got ${status}`);
}

function requireWhole(key: string, sizeBytes: number | undefined): void {
  if (sizeBytes === TRANSFER_BYTES) return;
  throw new OuterloopError("unexpected-answer", `${key} has ${TRANSFER_BYTES} bytes, ${sizeBytes} came`);
}

function uploadTicket(store: Stack["store"], key: string, { bytes, sha256 }: Payload): Promise<Ticket> {
  return store.presignPut(key, {
    sizeBytes: bytes.byteLength,
    sha256,
    expiresAtMs: Date.now() + TICKET_MS,
  });
}

/** As the API hands it out. */
function forPeer({ expiresAtMs, ...ticket }: Ticket) {
  return { ...ticket, expiresAt: toInstant(expiresAtMs) };
}

async function isThere(program: string): Promise<boolean> {
  try {
    await run(program, ["--version"]);
    return true;
  } catch {
    return false;
  }
}
