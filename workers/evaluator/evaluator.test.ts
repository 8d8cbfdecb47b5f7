import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ApiClient, createApiClient } from "../../functions/api/client.ts";
import { ApiRun, keyOf, ORIGIN } from "../../functions/api/testing/api-run.ts";
import { createMemoryQueue } from "../../functions/storage/memory-queue.ts";
import type { Queue } from "../../functions/storage/queue.ts";
import { isOuterloopError, keys, type Report, sha256 } from "../../schemas/index.ts";
import type { LossModel } from "../model/index.ts";
import { downloadState } from "../replica/parameters.ts";
import { openRunView, type RunView } from "../replica/run-view.ts";
import { runEvaluator } from "./evaluator.ts";
import { openModel } from "./open-model.ts";
import { createParameterWindow } from "./parameter-window.ts";
import { downloadPayloads, triedParameters } from "./try-update.ts";

// The model is not what is looked at here: a loss that any change of the parameters changes is enough.
vi.mock("../model/index.ts", async (original) => ({
  ...(await original<typeof import("../model/index.ts")>()),
  createLossModel: async (): Promise<LossModel> =>
    ({
      losses: async (theta: Float32Array, batch: { sequences?: number } & ArrayLike<unknown>) =>
        new Float32Array(lossCount(batch)).fill(
          5 + theta.reduce((sum, value) => sum + value, 0) / theta.length,
        ),
      close: async () => {},
    }) as unknown as LossModel,
}));

let expectedLosses = 0;
const lossCount = (_: unknown) => expectedLosses;

const peers = [keyOf("ann"), keyOf("ben")];
const [ann] = peers as [(typeof peers)[0]];
const judge = keyOf("evaluator-1");

let folder: string;
let run: ApiRun;
let api: ApiClient;
let view: RunView;
let stop: AbortController;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-evaluator-"));
  run = await ApiRun.create();
  vi.stubGlobal("fetch", run.fetch);
  stop = new AbortController();
  api = createApiClient({ coordinator: ORIGIN, key: judge, patienceSeconds: 0, signal: stop.signal });
  view = await openRunView(api, run.run);
});
afterEach(async () => {
  stop.abort();
  vi.unstubAllGlobals();
  await rm(folder, { recursive: true, force: true });
});

async function codeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
  } catch (error) {
    return isOuterloopError(error) ? error.code : `untyped: ${String(error)}`;
  }
  return "accepted";
}

/** Works on a queue of the test until `done` or an end of its own, three seconds at most; how it ended. */
async function workOn(queue: Queue, done: () => Promise<boolean>): Promise<string> {
  let ended = false;
  const working = runEvaluator({
    api: { ...api, jobs: () => queue },
    run: run.run,
    key: judge,
    open: openModel(folder),
    report: () => {},
    signal: stop.signal,
  }).then(
    () => "ended",
    (error: unknown) => {
      ended = true;
      return String(error);
    },
  );
  for (let i = 0; i < 300 && !ended && !(await done()); i++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  stop.abort();
  await queue.send("wake up");
  return working;
}

/** A queue that does not wait longer than the test. */
function shortQueue(): Queue {
  const queue = createMemoryQueue({ maxReceives: 5 });
  return { ...queue, receive: (options) => queue.receive({ ...options, waitSeconds: 0.02 }) };
}

describe("the payloads of a job", () => {
  beforeEach(() => run.toClose(peers));
  const wanted = peers.map(({ publicKey }) => publicKey);

  it("are those that were committed", async () => {
    const payloads = await downloadPayloads(view, await run.close(), wanted);
    for (const [i, { peer, shards }] of payloads.entries()) {
      expect(peer).toBe(wanted[i]);
      const sent = await run.payload(peers[i] ?? ann);
      expect(shards.map((bytes) => sha256(bytes))).toEqual(sent.map((bytes) => sha256(bytes)));
    }
  });

  it.each(["upload", "commit", "nothing", "another's"])(
    "are refused if what comes is not: %s",
    async (what) => {
      const lying: ApiClient = {
        ...api,
        download: async (ticket) => {
          const bytes = await api.download(ticket);
          const isCommit = ticket.url.includes("commit.json");
          if (what === "nothing") return isCommit ? bytes : null;
          if (what === "commit") return isCommit ? null : bytes;
          if (what === "another's") return isCommit ? api.download(await otherCommit()) : bytes;
          return isCommit ? bytes : (bytes?.map((byte, i) => (i === 70 ? byte ^ 1 : byte)) ?? null);
        },
      };
      const otherCommit = async () => {
        const key = keys.commit(run.run, 1, wanted[1] ?? "");
        const [one] = (await api.readTickets(run.run, [key])).tickets;
        if (one === undefined) throw new Error("no ticket");
        return one.ticket;
      };
      const download = async () =>
        downloadPayloads({ ...view, api: lying }, await run.close(), wanted.slice(0, 1));
      expect(await codeOf(download)).toBe("wrong-payload");
    },
  );

  it("are tried on a copy of the parameters", async () => {
    const close = await run.close();
    const [payload] = await downloadPayloads(view, close, wanted);
    const base = await downloadState(view, 0);
    if (payload === undefined || base === null) throw new Error("both are there");
    const before = base.theta.slice();
    const tried = triedParameters(view, base.theta, close, (await run.roster()).keep, payload);
    expect(base.theta).toEqual(before);
    expect(tried).not.toEqual(before);
  });

  it("of who was not included cannot be tried", async () => {
    const close = await run.close();
    const [payload] = await downloadPayloads(view, close, wanted);
    const base = await downloadState(view, 0);
    if (payload === undefined || base === null) throw new Error("both are there");
    const without = { ...close, submissions: close.submissions.map((one) => ({ ...one, clip: null })) };
    const attempt = async () =>
      triedParameters(view, base.theta, without, (await run.roster()).keep, payload);
    expect(await codeOf(attempt)).toBe("wrong-payload");
  });
});

describe("the window of parameters", () => {
  it("gives those after a round, or says that they are not there yet", async () => {
    const parameters = createParameterWindow(view);
    expect((await parameters.after(0)).round).toBe(0);
    expect(await codeOf(() => parameters.after(1))).toBe("not-yet");
    await run.emptyRound(peers, 1);
    expect((await parameters.after(1)).round).toBe(1);
    expect((await parameters.after(0)).round).toBe(0);
  });
});

describe("an evaluator", () => {
  it("judges a job of its run and signs what it found", async () => {
    await run.toClose(peers);
    const close = await run.close();
    const [job] = close.plan.jobs;
    if (job === undefined) throw new Error("round 1 has a job");
    expectedLosses = close.plan.anchor.length + job.owned.flat().length;
    const queue = shortQueue();
    await queue.send(JSON.stringify({ type: "judge", run: run.run, round: 1, job: job.job }));
    const key = keys.report(run.run, 1, job.job, judge.publicKey);
    await workOn(queue, async () => (await run.store.head(key)) !== null);
    const object = await run.store.get(key);
    const report: Report = JSON.parse(new TextDecoder().decode(object?.bytes)).body;
    expect(report.losses.map(({ peer }) => peer)).toEqual(job.peers);
    expect(new Set([report.base, ...report.losses.map(({ losses }) => losses)]).size).toBe(3);
  });

  // It once was so: JSON.parse is outside of every `try`: one bad message ends every evaluator that leases it, one
  // after the other, five times.
  it("survives a message that is no JSON", async () => {
    const queue = shortQueue();
    await queue.send("{");
    const started = performance.now();
    const ended = await workOn(queue, async () => performance.now() - started > 500);
    expect(ended).not.toContain("SyntaxError");
  });

  // It once was so: a job of another run is given back at once, and received again at once: five times in a few
  // milliseconds, and it is dead. An evaluator left over from an older run so kills the jobs of the new one, round after
  // round, with no ill will.
  it("leaves a job of another run to its own evaluators", async () => {
    const queue = shortQueue();
    await queue.send(JSON.stringify({ type: "held-out", run: `other-${"0".repeat(32)}`, round: 1 }));
    const started = performance.now();
    const done = async () => (await queue.deadLetters()).length > 0 || performance.now() - started > 500;
    await workOn(queue, done);
    expect(await queue.deadLetters()).toEqual([]);
  });

  it("gives a job back that came too early", async () => {
    await run.toRoster(peers);
    const queue = shortQueue();
    let givenBack = 0;
    const watched: Queue = {
      ...queue,
      extend: async (message, leaseSeconds) => {
        if (leaseSeconds <= 1) givenBack++;
        return queue.extend(message, leaseSeconds);
      },
    };
    await queue.send(JSON.stringify({ type: "judge", run: run.run, round: 1, job: "0000" }));
    await workOn(watched, async () => givenBack > 0);
    expect(givenBack).toBeGreaterThan(0);
  });
});
