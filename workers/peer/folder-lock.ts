/**
 * One process at a time in a folder. The lock is a socket that dies with its holder, so a kill leaves nothing to clean
 * up by hand.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { unlinkSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { OuterloopError } from "../../schemas/index.ts";

export interface FolderLock {
  release(): Promise<void>;
}

/** Takes the lock of a folder for a purpose. Typed error `already-running`: another process holds it. */
export async function lockFolder(folder: string, purpose: string): Promise<FolderLock> {
  const address = addressOf(folder, purpose);
  const server = (await listen(address)) ?? (await takeOver(address));
  if (server === null) {
    throw new OuterloopError(
      "already-running",
      `another process works in ${resolve(folder)} already: stop it first, or name another --data-dir`,
    );
  }
  // The lock must not keep a process that has nothing else to do.
  server.unref();
  return { release: () => new Promise((done) => server.close(() => done())) };
}

/**
 * Paths of sockets are short, those of folders need not be. Linux (names that begin with a zero byte) and Windows keep
 * sockets out of the file system, where one goes with its process; elsewhere it stays as a file, to be taken over.
 */
function addressOf(folder: string, purpose: string): string {
  const name = `outerloop-${createHash("sha256")
    .update(`${purpose}\n${resolve(folder)}`)
    .digest("hex")
    .slice(0, 24)}`;
  if (process.platform === "linux") return `\0${name}`;
  return process.platform === "win32" ? `\\\\.\\pipe\\${name}` : join(tmpdir(), `${name}.sock`);
}

function listen(address: string): Promise<Server | null> {
  return new Promise((done, fail) => {
    const server = createServer((connection) => connection.destroy());
    server.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? done(null) : fail(error),
    );
    server.listen(address, () => done(server));
  });
}

/**
 * The socket of a dead holder answers nobody: it is removed, and the lock is free. Two that take over in the same moment
 * could both succeed, which is why this is only for systems that leave nothing else.
 */
async function takeOver(address: string): Promise<Server | null> {
  const alive = await new Promise<boolean>((done) => {
    const probe = connect(address, () => {
      probe.destroy();
      done(true);
    });
    probe.once("error", () => done(false));
  });
  if (alive || !address.endsWith(".sock")) return null;
  try {
    unlinkSync(address);
  } catch (error) {
    // Somebody else was quicker with the same thought.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return listen(address);
}
