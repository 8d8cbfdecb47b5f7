/**
 * From the server to the page: finds the run, listens to its events, and says when it no longer hears anything.
 *
 * @module
 */
/** @import { RunStatus } from "../../../schemas/status.ts" */

/**
 * @typedef {object} Listener
 * @property {(runs: string[], run: string | undefined) => void} runs what runs there are, and which one is followed
 * @property {(status: RunStatus) => void} status
 * @property {() => void} live the events flow (again)
 * @property {() => void} lost
 */

const RETRY_MS = 2_000;
const ANSWER_MS = 5_000;
/** A half-open connection raises no error, it is just quiet; so after this long the picture is asked for. */
const QUIET_MS = 20_000;

/** Paths are relative: the page may stand below a prefix. @param {string} run */
const runPath = (run) => `runs/${encodeURIComponent(run)}`;

/** @param {string} path @returns {Promise<unknown>} */
async function ask(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(ANSWER_MS), cache: "no-store" });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

/** Follows the run that was asked for, else always the latest. Never returns. */
export async function follow(/** @type {string | null} */ wanted, /** @type {Listener} */ listener) {
  const choose = async () => {
    const { runs } = /** @type {{ runs: string[] }} */ (await ask("runs"));
    const run = wanted === null ? runs.at(-1) : runs.find((known) => known === wanted);
    return { runs, run };
  };
  for (;;) {
    try {
      const { runs, run } = await choose();
      listener.runs(runs, run);
      if (run === undefined) listener.live();
      else await listen(run, listener, async () => (await choose()).run === run);
    } catch {
      listener.lost();
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/**
 * Listens until there is nothing more to hear. A dropped connection is not the end, the browser opens it again; an
 * error answer is, and so is another run having taken the place of this one.
 *
 * @param {string} run
 * @param {Listener} listener
 * @param {() => Promise<boolean>} isStillTheOne
 */
function listen(run, listener, isStillTheOne) {
  const source = new EventSource(`${runPath(run)}/events`);
  let heardAtMs = performance.now();
  let missed = false;

  return new Promise((resolve) => {
    const end = () => {
      clearInterval(watchdog);
      source.close();
      resolve(undefined);
    };
    const hear = (/** @type {RunStatus} */ status) => {
      heardAtMs = performance.now();
      listener.live();
      listener.status(status);
    };
    const watchdog = setInterval(() => {
      if (performance.now() - heardAtMs < QUIET_MS) return;
      heardAtMs = performance.now();
      ask(runPath(run)).then((status) => hear(/** @type {RunStatus} */ (status)), listener.lost);
    }, 1_000);

    source.addEventListener("status", (event) => hear(JSON.parse(event.data)));
    source.addEventListener("open", async () => {
      listener.live();
      // A restarted server may have a new run; while it cannot even list its runs, stay.
      if (missed && !(await isStillTheOne().catch(() => true))) end();
      missed = false;
    });
    source.addEventListener("error", () => {
      missed = true;
      listener.lost();
      if (source.readyState === EventSource.CLOSED) end();
    });
  });
}
