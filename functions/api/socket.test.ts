import { connect } from "node:net";
import { serve } from "@hono/node-server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { keys } from "../../schemas/index.ts";
import { MAX_BODY_BYTES } from "./signed-request.ts";
import { ApiRun, keyOf } from "./testing/api-run.ts";

const [ann, ben] = [keyOf("ann"), keyOf("ben")];

let run: ApiRun;
let server: ReturnType<typeof serve>;
let port = 0;
beforeAll(async () => {
  run = await ApiRun.create();
  await run.toRoster([ann, ben]);
  await run.deliver(ann);
  await new Promise<void>((resolve) => {
    server = serve({ fetch: run.app.fetch, hostname: "127.0.0.1", port: 0 }, (info) => {
      port = info.port;
      resolve();
    });
  });
});
afterAll(async () => {
  (server as unknown as { closeAllConnections(): void }).closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** Sends bytes as they are; resolves with what came back until the other side was silent or gone. */
function raw(text: string, { silence = 300 } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    socket.setTimeout(silence, () => socket.destroy());
    socket.on("data", (data) => {
      got += data.toString("latin1");
    });
    socket.on("error", (error) => (got === "" ? reject(error) : resolve(got)));
    socket.on("close", () => resolve(got));
  });
}
const request = (line: string, headers = "Host: 127.0.0.1") =>
  raw(`${line} HTTP/1.1\r\n${headers}\r\nConnection: close\r\n\r\n`);
const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);

describe("over a real socket", () => {
  const secret = () => keys.commit(run.run, 1, ann.publicKey);

  it("a public object is read", async () => {
    const answer = await request(`GET /objects/${keys.genesis(run.run)}`);
    expect(statusOf(answer)).toBe(200);
    expect(answer).toContain('"seedChain"');
  });

  it.each([
    ["GET /objects/SECRET", "Host: 127.0.0.1"],
    ["GET /objects/public/../SECRET", "Host: 127.0.0.1"],
    ["GET /objects/public/..%2fSECRET", "Host: 127.0.0.1"],
    ["GET /objects/public/%2e%2e/SECRET", "Host: 127.0.0.1"],
    ["GET /objects/public\\..\\SECRET", "Host: 127.0.0.1"],
    ["GET //objects/public/../SECRET", "Host: 127.0.0.1"],
    ["GET /objects//public/../SECRET", "Host: 127.0.0.1"],
    ["GET /objects/public/./../SECRET", "Host: 127.0.0.1"],
    ["GET http://elsewhere/objects/SECRET", "Host: 127.0.0.1"],
    ["GET /SECRET", "Host: 127.0.0.1/objects"],
    ["GET /../SECRET", "Host: 127.0.0.1/objects/public"],
    ["GET /SECRET", "Host: \u00e9/abcde"],
    ["GET /objects/SECRET#public/", "Host: 127.0.0.1"],
    ["GET /objects/SECRET?public/", "Host: 127.0.0.1"],
    ["GET /objects/public/\u0000SECRET", "Host: 127.0.0.1"],
    ["GET /objects/SECRET", "Host: 127.0.0.1\r\nX-Forwarded-Host: x\r\nX-Original-URL: /objects/public/x"],
    ["GET /objects/SECRET", "Host: 127.0.0.1\r\nX-HTTP-Method-Override: PUT"],
  ])("what is sealed is not read: %s, %s", async (line, headers) => {
    const answer = await request(line.replace("SECRET", secret()), headers);
    expect(answer).not.toContain("stateProof");
    expect(statusOf(answer)).not.toBe(200);
  });

  it("a body without an end is cut off at the limit", async () => {
    const head = `POST /runs/${run.run}/peers HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const chunk = `100000\r\n${"x".repeat(1 << 20)}\r\n`;
    let sent = 0;
    const answer = await new Promise<string>((resolve) => {
      let got = "";
      const socket = connect(port, "127.0.0.1", () => {
        socket.write(head);
        const more = (): void => {
          if (got !== "" || socket.destroyed || sent > 64) return;
          sent += 1;
          socket.write(chunk, () => setImmediate(more));
        };
        more();
      });
      socket.on("data", (data) => {
        got += data.toString("latin1");
        socket.destroy();
      });
      socket.on("error", () => resolve(got));
      socket.on("close", () => resolve(got));
    });
    expect(statusOf(answer)).toBe(413);
    expect(answer).toContain("body-too-large");
    expect(sent).toBeLessThan(64);
  });

  it("a length that is too large is refused before the body comes", async () => {
    const answer = await raw(
      `POST /runs/${run.run}/peers HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${MAX_BODY_BYTES + 1}\r\n\r\n`,
      { silence: 1_000 },
    );
    expect(statusOf(answer)).toBe(413);
  });

  it.each([
    ["two lengths", "Content-Length: 1\r\nContent-Length: 20"],
    ["a length and chunks", "Content-Length: 4\r\nTransfer-Encoding: chunked"],
    ["a length that is none", "Content-Length: x"],
    ["a negative length", "Content-Length: -1"],
    ["an encoding nobody knows", "Transfer-Encoding: strange"],
  ])("a body with %s is no way to send two requests as one", async (_, headers) => {
    const answer = await raw(
      `POST /runs/${run.run}/peers HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n\r\n0\r\n\r\nGET /runs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`,
    );
    expect(statusOf(answer)).toBe(400);
    expect(answer).not.toContain('"runs"');
  });

  it("a reader of pictures who hangs up is forgotten", async () => {
    const listeners = () => run.changes.listenerCount(run.run);
    const answer = await raw(`GET /runs/${run.run}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
    expect(answer).toContain("event: status");
    for (let i = 0; i < 500 && listeners() > 0; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(listeners()).toBe(0);
  });
});
