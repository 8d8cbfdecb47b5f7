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

  it("asks again when it was one of too many, for jobs as for all else", async () => {
    const tooMany = () => Response.json({ message: "Too Many Requests" }, { status: 429 });
    answers(tooMany, tooMany);
    expect((await client().register(run.run, run.registration(ann))).outcome).toBe("created");
    answers(tooMany);
    const jobs = client({ key: keyOf("evaluator-1") }).jobs(run.run);
    expect(await jobs.receive({ leaseSeconds: 30 })).toEqual([]);
    expect(sent.length).toBe(5);
  });

  it("gives up when its patience is over, with a type", async () => {
    answers(...new Array(100).fill(down));
    expect(await codeOf(client({ patienceSeconds: 0 }).runs())).toBe("service-unreachable");
  });

  // Found by chaos: a peer whose connection was forgotten by the other end was silent for a minute.
  it("asks again when a question goes into a connection that nobody answers", async () => {
    const hangs = (init: RequestInit | undefined) =>
      new Promise<Response>((_, reject) => {
        init?.signal?.addEventListener("abort", () => reject(new TypeError("aborted")), { once: true });
      });
    let asked = 0;
    vi.stubGlobal("fetch", async (url: string, init?: RequestInit) =>
      ++asked === 1 ? hangs(init) : run.fetch(url, init),
    );
    expect((await client({ answerSeconds: 0.05 }).runs()).runs).toEqual([run.run]);
    expect(asked).toBe(2);
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

  it("does not take a 404 of somebody in between for an object that is not there", async () => {
    answers(() => new Response("<html>404 Not Found</html>", { status: 404 }));
    expect(await client().object(keys.genesis(run.run))).not.toBeNull();
    expect(sent.length).toBe(2);
  });

  it("ends at once when it is told to", async () => {
    const stop = new AbortController();
    answers(...new Array(100).fill(down));
    setTimeout(() => stop.abort(), 20);
    expect(await codeOf(client({ signal: stop.signal, patienceSeconds: 60 }).runs())).not.toBe("accepted");
  });

  // It once was so: a ticket's address and headers come from the coordinator and are used as they are: it can have
  // every peer and evaluator send requests of its choice, with headers of its choice, into their own networks. A ticket
  // leads to the coordinator's own host, or elsewhere over HTTPS; never to plain HTTP on another host.
  it.each(["http://169.254.169.254/latest/api/token", "http://localhost:9/admin", "file:///etc/passwd"])(
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
      answers(() => new Response(null, { status: 307, headers: { location: url } }));
      expect(await codeOf(client({ patienceSeconds: 0 }).object(keys.genesis(run.run)))).toBe("wrong-ticket");
      expect(sent.map((one) => one.url)).toEqual([`${ORIGIN}/objects/${keys.genesis(run.run)}`]);
    },
  );

  it("follows no ticket to plain HTTP from a coordinator behind HTTPS", async () => {
    answers();
    const ticket = {
      method: "PUT" as const,
      url: "http://example.org:9000/bucket/key",
      headers: {},
      expiresAt: "2026-01-31T12:00:00.000Z",
    };
    const secure = client({ coordinator: "https://example.org", patienceSeconds: 0 });
    expect(await codeOf(secure.upload(ticket, new Uint8Array(1)))).toBe("wrong-ticket");
    expect(sent).toEqual([]);
  });

  describe("where the store serves its objects itself", () => {
    const location = "http://127.0.0.1:9000/bucket/key?X-Amz-Signature=0";
    const onward = () => new Response(null, { status: 307, headers: { location } });

    it("reads what the coordinator sends it on to", async () => {
      answers(onward, () => new Response("bytes"));
      const bytes = await client().object(keys.genesis(run.run));
      expect(new TextDecoder().decode(bytes ?? undefined)).toBe("bytes");
      expect(sent[1]?.url).toBe(location);
      // The store is not the coordinator: nothing that proves who asks goes there.
      expect(sent[1]?.init.headers).toBeUndefined();
    });

    it("takes the store's 404 for an object that is not there, and asks again while it is busy", async () => {
      const busy = () =>
        new Response("<Error><Code>SlowDown</Code><Message>slow</Message></Error>", { status: 503 });
      const missing = () => new Response("<Error><Code>NoSuchKey</Code></Error>", { status: 404 });
      answers(onward, busy, onward, missing);
      expect(await client().object(keys.manifest(run.run, 1))).toBeNull();
      expect(sent.length).toBe(4);
    });
  });

  it.each([
    [403, "AccessDenied", "Request has expired", "ticket-expired"],
    [403, "ExpiredToken", "The provided token has expired.", "ticket-expired"],
    [400, "ExpiredToken", "The provided token has expired.", "ticket-expired"],
    [400, "TokenRefreshRequired", "The provided token must be refreshed.", "ticket-expired"],
    [400, "ExpiredRequest", "Request has expired", "ticket-expired"],
    [400, "ThrottlingException", "Rate exceeded", "store-busy"],
    [400, "RequestTimeout", "Your socket connection was not read from in time", "store-busy"],
    [408, "Whatever", "slow", "store-busy"],
    [429, "TooManyRequests", "Please reduce your request rate", "store-busy"],
    [403, "SignatureDoesNotMatch", "The request signature we calculated does not match", "store-refused"],
    [400, "BadDigest", "The SHA256 you specified did not match", "store-refused"],
    [409, "ConditionalRequestConflict", "conflicting", "store-busy"],
    [500, "InternalError", "we", "store-busy"],
    [507, "XMinioStorageFull", "Storage backend has reached its minimum free drive threshold", "store-busy"],
  ])("a store's %i %s is %4$s", async (status, code, message, expected) => {
    const ticket = {
      method: "PUT" as const,
      url: "https://bucket.example.org/key",
      headers: { "content-length": "1" },
      expiresAt: "2026-01-31T12:00:00.000Z",
    };
    const xml = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
    answers(() => new Response(xml, { status }));
    expect(await codeOf(client({ patienceSeconds: -1 }).upload(ticket, new Uint8Array(1)))).toBe(expected);
  });
});
