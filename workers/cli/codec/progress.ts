/**
 * How far a codec command is: a bar on a terminal, a plain line now and then elsewhere, nothing for what is soon over.
 *
 * @module
 */
import { createLogUpdate } from "log-update";

const QUIET_MS = 1_000;
const REDRAW_MS = 100;
const LINE_MS = 10_000;

/** Runs `work`, which reports elements done, and shows it on `out`. */
export async function withProgress<Result>(
  out: NodeJS.WriteStream,
  work: (onProgress: (done: number, total: number) => void) => Promise<Result>,
  now: () => number = () => performance.now(),
): Promise<Result> {
  const startedMs = now();
  const update = out.isTTY ? createLogUpdate(out) : null;
  let shownMs = startedMs + QUIET_MS - REDRAW_MS;
  try {
    return await work((done, total) => {
      const nowMs = now();
      if (nowMs - shownMs < (update === null ? LINE_MS : REDRAW_MS)) return;
      shownMs = nowMs;
      const perSecond = (1_000 * done) / (nowMs - startedMs);
      const left = Math.ceil((total - done) / perSecond);
      const text = `${Math.floor((100 * done) / total)} %, ${(perSecond / 1e6).toFixed(0)} million elements a second, ${left} s left`;
      if (update === null) return void out.write(`${text}\n`);
      const full = Math.round((20 * done) / total);
      update(`${"█".repeat(full)}${"░".repeat(20 - full)} ${text}`);
    });
  } finally {
    update?.clear();
    update?.done();
  }
}
