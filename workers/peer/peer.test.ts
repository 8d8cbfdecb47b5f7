import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ApiClient, createApiClient, type Host, systemHost } from "../../functions/api/client.ts";
import { ApiRun, keyOf, ORIGIN } from "../../functions/api/testing/api-run.ts";
import { checkUpload } from "../../functions/rounds/check-upload.ts";
import {
  isOuterloopError,
  keys,
  type Manifest,
  OuterloopError,
  type Position,
  parseUploadKey,
  type SigningKey,
  sha256,
  signToBytes,
} from "../../schemas/index.ts";
import { follow, newestState, stateHash } from "../replica/parameters.ts";
import { openRunView } from "../replica/run-view.ts";
import type { WorkerEvent } from "./events.ts";
import type { InnerLoop } from "./inner-loop.ts";
import { runPeer } from "./peer.ts";
import { openPeerStateStore, type PeerState } from "./peer-state.ts";

const [ann, ben] = [keyOf("ann"), keyOf("ben")];
const DIGEST = sha256(new Uint8Array());

let root: string;
let run: ApiRun;
let stop: AbortController;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "outerloop-peer-"));
  run = await ApiRun.create({ config: { rounds: 2 } });
  stop = new AbortController();
  vi.stubGlobal("fetch", run.fetch);
});
afterEach(async () => {
  stop.abort();
  vi.unstubAllGlobals();
  await rm(root, { recursive: true, force: true });
});

/** Trains nothing, but moves every parameter by what its key says. */
function innerLoopOf({ publicKey }: SigningKey): InnerLoop {
  const shift = Number.parseInt(publicKey.slice(0, 4), 16) / 65_536 + 0.1;
  return {
    async train({ start, config }) {
      return {
        ...start,
        parameters: start.parameters.map((value, i) => value - shift * (1 + (i % 7))),
        innerSteps: start.innerSteps + config.inner.steps,
        tokens: 1,
        meanLoss: 1,
      };
    },
    async close() {},
  };
}

/** A request takes a turn of the event loop at least: a peer in a hurry must not stop the clock. */
const turn = () => new Promise((resolve) => setImmediate(resolve));
/** Waits are short: nobody is far away. */
const host: Host = { ...systemHost, sleep: (ms, signal) => systemHost.sleep(Math.min(ms, 20), signal) };
const clientOf = (key: SigningKey, signal = stop.signal) =>
  createApiClient({ coordinator: ORIGIN, key, signal, host, patienceSeconds: 0 });
const folderOf = ({ publicKey }: SigningKey) => join(root, publicKey);

function start(
  key: SigningKey,
  {
    api = clientOf(key),
    signal = stop.signal,
    report = () => {},
  }: { api?: ApiClient; signal?: AbortSignal; report?: (event: { kind: WorkerEvent["kind"] }) => void } = {},
): Promise<string> {
  const innerLoop = async () => innerLoopOf(key);
  const train = async () => {
    const store = await openPeerStateStore(folderOf(key), run.run);
    await runPeer({ api, run: run.run, key, store, innerLoop, report, signal });
  };
  return train().then(
    () => "ended",
    (error: unknown) => (isOuterloopError(error) ? error.code : String((error as Error).name)),
  );
}

const savedState = async (key: SigningKey) => (await openPeerStateStore(folderOf(key), run.run)).load();

/** What functions and an evaluator do, until `done`. */
async function drive(done: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2_000 && !done(); turn++) {
    for (const key of await run.objects()) {
      const upload = parseUploadKey(key);
      if (upload !== null && (await run.store.head(keys.manifest(run.run, upload.round))) === null)
        await checkUpload(run.deciding, upload);
    }
    await run.advance();
    const round = run.openRounds.get(run.run) ?? 1;
    const open = async (key: string) => (await run.store.head(key)) === null;
    if (!(await open(keys.close(run.run, round))) && (await open(keys.manifest(run.run, round))))
      await run.toManifest(round).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The state of a peer that has followed the run so far. */
async function followed(key: SigningKey): Promise<PeerState> {
  const view = await openRunView(clientOf(key), run.run);
  const { round, manifest, theta } = await follow(view, await newestState(view, 0));
  const zeros = () => new Float32Array(theta.length);
  const state: PeerState = {
    round,
    manifest,
    innerSteps: 0,
    parameters: theta,
    error: zeros(),
    m: zeros(),
    v: zeros(),
    pending: null,
  };
  await (await openPeerStateStore(folderOf(key), run.run)).save(state);
  return state;
}

describe("peers", () => {
  it("take a run to its end, and hold the parameters that are published", async () => {
    let open = 2;
    const ended = [ann, ben].map((key) => start(key).finally(() => open--));
    await drive(() => open === 0);
    expect(await Promise.all(ended)).toEqual(["ended", "ended"]);
    const object = await run.store.get(keys.state(run.run, 2));
    const published = JSON.parse(new TextDecoder().decode(object?.bytes)).body.stateHash;
    const view = await openRunView(clientOf(ann), run.run);
    for (const key of [ann, ben]) {
      const state = await savedState(key);
      expect([state?.round, state && stateHash(view, state.parameters)]).toEqual([2, published]);
      expect(state?.pending).toBeNull();
    }
  });

  it("that are stopped after any step go on with the very same payload", async () => {
    let open = 2;
    const other = start(ben).finally(() => open--);
    const kinds = ["ready", "committed", "uploaded", "applied"] as const;
    const interrupted = (async () => {
      for (const kind of kinds) {
        const one = new AbortController();
        const outcome = await start(ann, {
          api: clientOf(ann, one.signal),
          signal: one.signal,
          report: (event) => {
            if (event.kind === kind) one.abort();
          },
        });
        expect(outcome).not.toBe("already-committed");
      }
      return start(ann);
    })().finally(() => open--);
    await drive(() => open === 0);
    expect(await Promise.all([other, interrupted])).toEqual(["ended", "ended"]);
    const close = await run.close(1);
    expect(close.submissions.map(({ verdict }) => verdict)).toEqual(["included", "included"]);
    expect((await savedState(ann))?.parameters).toEqual((await savedState(ben))?.parameters);
  });
});

describe("a peer that was away for long", () => {
  const AWAY = 25;
  const texts: string[] = [];
  /** Runs a peer until an event. */
  async function until(key: SigningKey, last: (event: WorkerEvent) => boolean): Promise<string> {
    const one = new AbortController();
    return start(key, {
      api: clientOf(key, one.signal),
      signal: one.signal,
      report: (event) => {
        if ("text" in event) texts.push(event.text as string);
        if (last(event as WorkerEvent)) one.abort();
      },
    });
  }
  beforeEach(async () => {
    texts.length = 0;
    run = await ApiRun.create({ config: { rounds: 2 * AWAY } });
    vi.stubGlobal("fetch", run.fetch);
  });

  it("goes on from the published parameters, and settles what it had sent", async () => {
    const both = [ann, ben].map((key) => until(key, ({ kind }) => kind === "uploaded"));
    await drive(() => run.openRounds.get(run.run) === 2);
    await Promise.all(both);
    const sent = await savedState(ann);
    expect(sent?.pending?.round).toBe(1);
    await until(ann, ({ kind }) => kind === "applied");
    const walked = await savedState(ann);
    expect([walked?.round, walked?.pending]).toEqual([1, null]);
    for (let round = 2; round <= AWAY; round++) await run.emptyRound([ann, ben], round);

    await (await openPeerStateStore(folderOf(ann), run.run)).save(sent as PeerState);
    await until(ann, ({ kind }) => kind === "note");
    expect(texts.at(-1)).toContain("going on from the published parameters of round 24");
    const leapt = await savedState(ann);
    expect(leapt).toMatchObject({ round: AWAY - 1, pending: null, error: walked?.error });
    expect(walked?.error).not.toEqual(sent?.error);
    const view = await openRunView(clientOf(ann), run.run);
    expect(leapt?.parameters).toEqual((await newestState(view, AWAY - 1)).theta);
  });

  it("does not go on to another history", async () => {
    const before = await followed(ann);
    for (let round = 1; round <= AWAY; round++) await run.emptyRound([ann, ben], round);
    await (await openPeerStateStore(folderOf(ann), run.run)).save({ ...before, manifest: DIGEST });
    expect(await start(ann)).toBe("broken-chain");
    expect((await savedState(ann))?.round).toBe(0);
  });
});

describe("peers of a coordinator that is away for longer than their patience", () => {
  // Once the store's 5xx, if it lasted, was taken for a refusal: what was acknowledged never went up.
  it.each(["upload", "commit", "announce", "position", "object"] as const)(
    "wait for it, and lose nothing: %s",
    async (operation) => {
      const honest = clientOf(ann);
      let failures = 5;
      const busy = async (...args: never[]) => {
        await turn();
        if (failures-- > 0) throw new OuterloopError("store-busy", "the store answered 503");
        return (honest[operation] as (...args: never[]) => Promise<unknown>)(...args);
      };
      let open = 2;
      // The first look at a run still fails with its error: the address may be wrong.
      const api = { ...honest, [operation]: operation === "object" ? honest.object : busy };
      const ended = [
        start(ann, {
          api,
          report: (event) => {
            if (event.kind === "ready" && operation === "object") Object.assign(api, { object: busy });
          },
        }),
        start(ben),
      ].map((one) => one.finally(() => open--));
      await drive(() => open === 0);
      expect(await Promise.all(ended)).toEqual(["ended", "ended"]);
      expect(failures).toBeLessThan(0);
      for (const round of [1, 2])
        expect((await run.close(round)).submissions.map(({ verdict }) => verdict)).toEqual([
          "included",
          "included",
        ]);
    },
  );
});

describe("a coordinator that lies", () => {
  const position = (changes: Partial<Position> = {}): Position => ({
    round: 1,
    manifest: DIGEST,
    rosterStands: false,
    finished: false,
    pollAfterSeconds: 0.01,
    ...changes,
  });
  const saying = (said: Position, changes: Partial<ApiClient> = {}): ApiClient => ({
    ...clientOf(ann),
    position: async () => {
      await turn();
      stop.signal.throwIfAborted();
      return said;
    },
    ...changes,
  });
  const forAWhile = (ms = 250) => {
    const own = stop;
    setTimeout(() => own.abort(), ms);
  };

  it.each([0, 1, 2])("cannot make a peer go back to round %i", async (round) => {
    await run.emptyRound([ann, ben], 1);
    await run.emptyRound([ann, ben], 2);
    const before = await followed(ann);
    expect(before.round).toBe(2);
    forAWhile();
    await start(ann, { api: saying(position({ round, rosterStands: true })) });
    expect(await savedState(ann)).toEqual(before);
  });

  it("cannot make a peer go on to another history", async () => {
    await run.emptyRound([ann, ben], 1);
    const before = await followed(ann);
    await run.emptyRound([ann, ben], 2);
    const key = keys.manifest(run.run, 2);
    const object = await run.store.get(key);
    const body: Manifest = JSON.parse(new TextDecoder().decode(object?.bytes)).body;
    const forged = signToBytes(
      "manifest",
      run.run,
      { ...body, previousManifest: DIGEST },
      keyOf("coordinator"),
    );
    const honest = clientOf(ann);
    const api = saying(position({ round: 3 }), {
      object: async (asked) => (asked === key ? forged : honest.object(asked)),
    });
    expect(await start(ann, { api })).toBe("broken-chain");
    expect(await savedState(ann)).toEqual(before);
  });

  it("about a round that nobody has reached moves nothing", async () => {
    await run.emptyRound([ann, ben], 1);
    const before = await followed(ann);
    forAWhile();
    await start(ann, { api: saying(position({ round: 99_999_999, rosterStands: true })) });
    expect(await savedState(ann)).toEqual(before);
  });

  // It once was so: `position` is signed by nobody, yet its `finished` makes the peer sign that it leaves, and end. The
  // signed head says it, too.
  it("cannot make a peer leave a run that goes on", async () => {
    await run.emptyRound([ann, ben], 1);
    await followed(ann);
    await run.store.delete(keys.intent(run.run, 2, ann.publicKey));
    forAWhile();
    await start(ann, { api: saying(position({ round: 2, finished: true })) });
    const object = await run.store.get(keys.intent(run.run, 2, ann.publicKey));
    expect(object === null ? false : JSON.parse(new TextDecoder().decode(object.bytes)).body.leaving).toBe(
      false,
    );
  });

  // It once was so: `pollAfterSeconds` is any number (0, less, or more than 24 days, which a timer takes for
  // a millisecond), and a round ahead of what is published ends the wait at once, with no pause at all: by one unsigned
  // answer every peer asks as fast as it can.
  it.each([{ pollAfterSeconds: 0 }, { round: 99_999_999, pollAfterSeconds: 0.05 }])(
    "cannot make a peer ask without a pause: %j",
    async (lie) => {
      let asked = 0;
      await followed(ann);
      const said = position(lie);
      const api = saying(said, {
        position: async () => {
          asked++;
          await turn();
          stop.signal.throwIfAborted();
          return said;
        },
      });
      forAWhile(200);
      await start(ann, { api });
      expect(asked).toBeLessThan(30);
    },
  );

  // It once was so: where to begin is taken from the unsigned position, and every round down from
  // there is asked for: up to a hundred million requests before the first step.
  it("cannot send a new peer through rounds that never were", async () => {
    let asked = 0;
    const honest = clientOf(ann);
    const api = saying(position({ round: 99_999_999 }), {
      object: async (key) => {
        asked++;
        await turn();
        stop.signal.throwIfAborted();
        return honest.object(key);
      },
    });
    forAWhile(200);
    await start(ann, { api });
    expect(asked).toBeLessThan(50);
  });
});
