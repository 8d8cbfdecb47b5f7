import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isOuterloopError, keys } from "../../schemas/index.ts";
import { createApiClient } from "./client.ts";
import { ApiRun, keyOf, ORIGIN } from "./testing/api-run.ts";

const ann = keyOf("ann");

let run: ApiRun;
let sent: { url: string; init: RequestInit }[];
beforeEach(async () => {
  run = await ApiRun.create();
  sent = [];
});
afterEach(() => {
  vi.unstubAllGlobals();
});

/** Answers requests with these, one after the other, then by the real API. */
function answers(...given: (() => Response | Promise<Response>)[]): void {
  vi.stubGlobal("fetch", async (url: string, init: RequestInit = {}) => {
    sent.push({ url, init });
    const next = given.shift();
    return next === undefined ? run.fetch(url, init) : next();
  });
}

const client = (options = {}) =>
  createApiClient({ coordinator: ORIGIN, key: ann, patienceSeconds: 5, ...options });

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return isOuterloopError(error) ? error.code : `untyped: ${String(error)}`;
  }
  return "accepted";
}

const down = () => {
  throw new TypeError("fetch failed");
};

describe("the client", () => {
  it("asks again while nobody answers, and signs anew each time", async () => {
    answers(down, down, () => Response.json({ code: "internal", message: "x" }, { status: 500 }));
    expect((await client().register(run.run, run.registration(ann))).outcome).toBe("created");
    expect(sent.length).toBe(4);
  });

  it("asks again after an answer of somebody in between", async () => {
    answers(() => new Response("<html>", { status: 502 }));
    expect(await codeOf(client().runs())).toBe("accepted");
  });

  it("gives up when its patience is over, with a type", async () => {
    answers(...new Array(100).fill(down));
    expect(await codeOf(client({ patienceSeconds: 0 }).runs())).toBe("service-unreachable");
  });

  it("does not ask again what was refused", async () => {
    answers();
    expect(await codeOf(client().status(`none-${"0".repeat(32)}`))).toBe("no-such-run");
    expect(sent.length).toBe(1);
  });

  it.each([{}, { runs: "x" }, { runs: ["../x"] }, { runs: [], more: 1 }, [], null])(
    "takes no answer of another shape: %j",
    async (body) => {
      answers(() => Response.json(body));
      expect(await codeOf(client({ patienceSeconds: -1 }).runs())).toBe("unexpected-answer");
    },
  );

  it("signs nothing without a key", async () => {
    answers();
    const reader = createApiClient({ coordinator: ORIGIN });
    expect(await codeOf(reader.register(run.run, run.registration(ann)))).toBe("unsigned-request");
    expect(sent).toEqual([]);
  });

  it("tells an object that is not there from one that cannot be had", async () => {
    answers();
    expect(await client().object(keys.manifest(run.run, 1))).toBeNull();
    expect(await codeOf(client().object(keys.commit(run.run, 1, ann.publicKey)))).toBe("ticket-missing");
  });

  it("ends at once when it is told to", async () => {
    const stop = new AbortController();
    answers(...new Array(100).fill(down));
    setTimeout(() => stop.abort(), 20);
    expect(await codeOf(client({ signal: stop.signal, patienceSeconds: 60 }).runs())).not.toBe("accepted");
  });

  // It once was so: a ticket's address and headers come from the coordinator and are used as they are: it can have
  // every peer and evaluator send requests of its choice, with headers of its choice, into their own networks. A ticket
  // leads to the coordinator's own origin, or elsewhere over HTTPS; never to plain HTTP on another host.
  it.each(["http://169.254.169.254/latest/api/token", "http://127.0.0.1:9/admin", "file:///etc/passwd"])(
    "follows no ticket to %s",
    async (url) => {
      answers(() => new Response(""));
      const ticket = {
        method: "PUT" as const,
        url,
        headers: { "x-aws-ec2-metadata-token-ttl-seconds": "60" },
        expiresAt: "2026-01-31T12:00:00.000Z",
      };
      await codeOf(client({ patienceSeconds: 0 }).upload(ticket, new Uint8Array(1)));
      expect(sent).toEqual([]);
    },
  );
});
