import { beforeAll, describe, expect, it, vi } from "vitest";
import { keys } from "../../schemas/index.ts";
import type { ObjectAccess } from "./environment.ts";
import { type Answer, ApiRun, answerOf, keyOf, ORIGIN } from "./testing/api-run.ts";

const redirected = (publicUrl?: string) =>
  ApiRun.create({ environment: { objects: { kind: "redirected", publicUrl } satisfies ObjectAccess } });

let run: ApiRun;
beforeAll(async () => {
  run = await redirected();
});

const get = async (from: ApiRun, path: string, init: RequestInit = {}): Promise<Answer> =>
  answerOf(await from.app.request(`${ORIGIN}${path}`, init));

describe("where the store serves its objects itself", () => {
  it("a public object is answered with a presigned request that dies within minutes", async () => {
    const answer = await get(run, `/objects/${keys.genesis(run.run)}`);
    expect(answer.status).toBe(307);
    expect(answer.headers.get("location")).toMatch(/\/objects\/public\/.*genesis\.json\?ticket=get\./);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const until = Number(/ticket=get\.(\d+)\./.exec(answer.headers.get("location") ?? "")?.[1]);
    expect(until - Date.now()).toBeLessThanOrEqual(5 * 60 * 1_000);
  });

  it("whether the object is there is for the store to say", async () => {
    expect((await get(run, `/objects/${keys.manifest(run.run, 7)}`)).status).toBe(307);
  });

  it("what HEAD asks is answered here: the store refuses it at an address that was signed for GET", async () => {
    const head = (path: string) => get(run, path, { method: "HEAD" });
    const there = await head(`/objects/${keys.genesis(run.run)}`);
    expect([there.status, there.headers.get("location")]).toEqual([200, null]);
    expect(Number(there.headers.get("content-length"))).toBeGreaterThan(0);
    expect((await head(`/objects/${keys.manifest(run.run, 7)}`)).status).toBe(404);
    expect((await head(`/objects/${keys.commit(run.run, 1, keyOf("ann").publicKey)}`)).status).toBe(404);
  });

  it("the store's time is asked for no redirect: it knows it when it signs", async () => {
    const asked = vi.spyOn(run.store, "now");
    for (let turn = 0; turn < 5; turn += 1) await get(run, `/objects/${keys.genesis(run.run)}`);
    expect(asked).not.toHaveBeenCalled();
    asked.mockRestore();
  });

  it("with a cache in front, the way leads there, without a ticket", async () => {
    const cached = await redirected("https://cdn.example.org");
    const key = keys.genesis(cached.run);
    const answer = await get(cached, `/objects/${key}`);
    expect(answer.headers.get("location")).toBe(`https://cdn.example.org/${key}`);
  });

  it.each([
    ["a commit", () => `/objects/${keys.commit(run.run, 1, keyOf("ann").publicKey)}`, 404, "no-such-object"],
    [
      "an upload",
      () => `/objects/${keys.upload(run.run, 1, keyOf("ann").publicKey, 0)}`,
      404,
      "no-such-object",
    ],
    ["a way out of public/", () => `/objects/public/..%2fsealed/x`, 400, "invalid-key"],
  ])("%s is not public", async (_, path, status, code) => {
    const answer = await get(run, path());
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.headers.get("location")).toBeNull();
  });

  it("nothing can be uploaded through the API", async () => {
    const answer = await get(run, `/objects/${keys.genesis(run.run)}`, { method: "PUT", body: "x" });
    expect([answer.status, answer.body.code]).toEqual([404, "no-such-route"]);
  });
});

it("an API that may not hold answers ends its event stream after one picture", async () => {
  const brief = await ApiRun.create({ environment: { holdSeconds: 0 } });
  const answer = await get(brief, `/runs/${brief.run}/events`);
  expect(answer.text.match(/^event: status$/gm)).toHaveLength(1);
  expect(answer.text).toMatch(/^retry: 5000$/m);
});
