import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ApiClient, createApiClient } from "../../functions/api/client.ts";
import { ApiRun, keyOf, ORIGIN } from "../../functions/api/testing/api-run.ts";
import { createMemoryQueue } from "../../functions/storage/memory-queue.ts";
import type { Queue } from "../../functions/storage/queue.ts";
import {
  type Close,
  f32ToHex,
  f64ToHex,
  isOuterloopError,
  keys,
  type ModelSpec,
  type Report,
  sha256,
} from "../../schemas/index.ts";
import type { LossModel } from "../model/index.ts";
import { downloadState } from "../replica/parameters.ts";
import { openRunView, type RunView } from "../replica/run-view.ts";
import { runEvaluator } from "./evaluator.ts";
import { openModel } from "./open-model.ts";
import { createParameterWindow } from "./parameter-window.ts";
import { type Payload, payloadsOf } from "./payloads.ts";
import { createTrial } from "./trial.ts";

// The model is not what is looked at here: a loss that any change of the parameters changes is enough.
vi.mock("../model/index.ts", async (original) => ({
  ...(await original<typeof import("../model/index.ts")>()),
  createLossModel: async ({ sequenceLength }: ModelSpec): Promise<LossModel> => ({
    losses: async (theta, { inputs }) =>
      new Float32Array(inputs.length / sequenceLength).fill(
        5 + theta.reduce((sum, value) => sum + value, 0) / theta.length,
      ),
    close: async () => {},
  }),
}));

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
  const payloads = async (from: RunView = view, close?: Close, of = wanted) =>
    Array.fromAsync(payloadsOf(from, close ?? (await run.close()), (await run.roster()).keep, of));

  it("are those that were committed", async () => {
    for (const [i, { peer, shards }] of (await payloads()).entries()) {
      expect(peer).toBe(wanted[i]);
      const sent = await run.payload(peers[i] ?? ann);
      expect(shards.map((shard) => shard.sha256)).toEqual(sent.map((bytes) => sha256(bytes)));
    }
  });

  it("come one after the other, the next one while the last one is worked on", async () => {
    const asked: string[] = [];
    const watched: ApiClient = {
      ...api,
      readTickets: (id, keysAsked) => {
        asked.push(keysAsked[0] ?? "");
        return api.readTickets(id, keysAsked);
      },
    };
    const coming = payloadsOf(
      { ...view, api: watched },
      await run.close(),
      (await run.roster()).keep,
      wanted,
    );
    await coming.next();
    expect(asked).toHaveLength(2);
    await coming.return(undefined);
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
      const download = () => payloads({ ...view, api: lying }, undefined, wanted.slice(0, 1));
      expect(await codeOf(download)).toBe("wrong-payload");
    },
  );

  it("of who was not included cannot be tried", async () => {
    const close = await run.close();
    const without = { ...close, submissions: close.submissions.map((one) => ({ ...one, clip: null })) };
    expect(await codeOf(() => payloads(view, without))).toBe("wrong-payload");
  });
});

describe("a trial", () => {
  beforeEach(() => run.toClose(peers));

  it("leaves no trace: the same update gives the same parameters, whatever was tried between", async () => {
    const { keep, alpha } = await run.roster();
    const base = await downloadState(view, 0);
    if (base === null) throw new Error("round 0 is published");
    const wanted = peers.map(({ publicKey }) => publicKey);
    const payloads = await Array.fromAsync(payloadsOf(view, await run.close(), keep, wanted));
    const [one, other] = payloads as [Payload, Payload];
    const before = base.theta.slice();
    const trial = createTrial(view, base.theta);
    const first = trial.update(one, -0.5).slice();
    trial.update(other, -1e30);
    const weight = f32ToHex(0.5);
    const used = wanted.map((peer) => ({
      ...{ peer, weight, clip: f32ToHex(1), coefficient: weight, share: f64ToHex(0), judged: true },
    }));
    trial.outerStep(payloads, used, { round: 1, keep, alpha });
    expect(trial.update(one, -0.5)).toEqual(first);
    expect(first).not.toEqual(before);
    expect(trial.update(one, 0)).toEqual(before);
    expect(base.theta).toEqual(before);
  });

  it("of a sum that is not finite gives nothing, and does not throw", async () => {
    const { keep } = await run.roster();
    const base = await downloadState(view, 0);
    if (base === null) throw new Error("round 0 is published");
    const wanted = peers.map(({ publicKey }) => publicKey);
    const payloads = await Array.fromAsync(payloadsOf(view, await run.close(), keep, wanted));
    const huge = f32ToHex(3e38);
    const used = wanted.map((peer) => ({
      ...{ peer, weight: huge, clip: f32ToHex(1), coefficient: huge, share: f64ToHex(0), judged: true },
    }));
    const step = { round: 1, keep, alpha: f32ToHex(3e38) };
    expect(createTrial(view, base.theta).outerStep(payloads, used, step)).toBeNull();
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
    const queue = shortQueue();
    await queue.send(JSON.stringify({ type: "judge", run: run.run, round: 1, job: job.job, others: [] }));
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
    await queue.send(JSON.stringify({ type: "judge", run: run.run, round: 1, job: "0000", others: [] }));
    await workOn(watched, async () => givenBack > 0);
    expect(givenBack).toBeGreaterThan(0);
  });
});
