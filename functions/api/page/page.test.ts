import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { AwaitedThing, Phase } from "../../../schemas/index.ts";
import * as clock from "./clock.js";
import * as format from "./format.js";
import {
  bytes,
  change,
  count,
  countdown,
  deadline,
  duration,
  figure,
  isDue,
  isPaused,
  lastRoundDrawn,
  lossPoints,
  NOTHING,
  PHASES,
  percent,
  plural,
  runName,
  STEPS,
  shortId,
  steps,
  verdictName,
  withoutVerdict,
} from "./format.js";
import { pageRoutes } from "./page.ts";

const app = pageRoutes();
const html = await (await app.request("/")).text();
const ours = readdirSync(import.meta.dirname).filter((name) => /\.(js|css|html|svg)$/.test(name));
const linked = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => `/${path}`);
const assets = [...linked, ...ours.filter((name) => name !== "index.html").map((name) => `/assets/${name}`)];

describe("the page's routes", () => {
  it.each([
    ["/", "text/html; charset=utf-8"],
    ["/index.html", "text/html; charset=utf-8"],
    ["/assets/page.js", "text/javascript; charset=utf-8"],
    ["/assets/page.css", "text/css; charset=utf-8"],
    ["/assets/uplot.js", "text/javascript; charset=utf-8"],
    ["/assets/uplot.css", "text/css; charset=utf-8"],
    ["/assets/icon.svg", "image/svg+xml"],
  ])("serve %s as %s, never sniffed", async (path, type) => {
    const answer = await app.request(path);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe(type);
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
  });

  it("allow nothing but the page's own files to run", async () => {
    const policy = (await app.request("/")).headers.get("content-security-policy");
    expect(policy).toContain("default-src 'self'");
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/);
  });

  it("serve every file that the page names", async () => {
    for (const path of assets) expect([path, (await app.request(path)).status]).toEqual([path, 200]);
  });

  it("serve every module that a module imports", async () => {
    for (const name of ours.filter((name) => name.endsWith(".js"))) {
      const source = readFileSync(new URL(name, import.meta.url), "utf8");
      for (const [, imported] of source.matchAll(/^(?:import|export).* from "\.\/(.+)";$/gm))
        expect([imported, (await app.request(`/assets/${imported}`)).status]).toEqual([imported, 200]);
    }
  });

  it("answer 304 to whoever has the file, also through a proxy that weakened the tag", async () => {
    const etag = (await app.request("/assets/page.js")).headers.get("etag") ?? "";
    for (const tag of [etag, `W/${etag}`]) {
      const again = await app.request("/assets/page.js", { headers: { "if-none-match": tag } });
      expect([again.status, await again.text()]).toEqual([304, ""]);
    }
  });

  it("leave other paths, and the headers of other answers, alone", async () => {
    expect((await app.request("/assets/page.test.ts")).status).toBe(404);
    expect((await app.request("/assets/../page.ts")).status).toBe(404);
    expect((await app.request("/runs")).headers.get("content-security-policy")).toBeNull();
  });
});

describe("the page", () => {
  it("names no other host", async () => {
    for (const path of assets) {
      const source = await (await app.request(path)).text();
      // A licence banner and the name of the SVG vocabulary are read by nobody.
      const read = source.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll("http://www.w3.org/2000/svg", "");
      expect([path, read.match(/(?:https?:)?\/\/[a-z0-9-]+\.[a-z]/i)?.[0]]).toEqual([path, undefined]);
    }
  });

  it("closes every element it opens", () => {
    const open: string[] = [];
    const empty = new Set(["meta", "link", "!doctype"]);
    for (const [tag, slash, name = ""] of html
      .replaceAll(/<!--[\s\S]*?-->/g, "")
      .matchAll(/<(\/?)(!?[a-z][a-z0-9]*)[^>]*>/g)) {
      if (slash) expect([tag, open.pop()]).toEqual([tag, name]);
      else if (!empty.has(name)) open.push(name);
    }
    expect(open).toEqual([]);
  });

  it("has its landmarks, one main heading and a header for every column", () => {
    for (const landmark of [
      '<html lang="en">',
      "<header",
      "<main>",
      "<h1>",
      "<noscript>",
      'aria-live="polite"',
    ])
      expect(html).toContain(landmark);
    const columns = html.match(/<th[ >]/g)?.length;
    expect(html.match(/<th\s[^>]*scope="col"/g)?.length).toBe(columns);
    for (const [, id] of html.matchAll(/aria-labelledby="([^"]+)"/g)) expect(html).toContain(`id="${id}"`);
  });

  it("keeps the handles that tests take hold of", () => {
    const source = html + ours.map((name) => readFileSync(new URL(name, import.meta.url), "utf8")).join();
    for (const id of [
      "phase",
      "waiting-for",
      "ends-at",
      "round",
      "loss-chart",
      "leaderboard",
      "leaderboard-row",
      "reason",
      "rounds-table",
      "round-row",
      "connection",
    ])
      expect(source).toMatch(new RegExp(`data-testid"?[=:] ?"${id}"`));
  });

  it("finds every element that its scripts look for", () => {
    for (const name of ours.filter((name) => name.endsWith(".js"))) {
      const source = readFileSync(new URL(name, import.meta.url), "utf8");
      for (const [, id] of source.matchAll(/find\("#([\w-]+)"\)/g)) expect(html).toContain(`id="${id}"`);
      for (const [, id] of source.matchAll(/find\("\[data-testid=([\w-]+)\]"\)/g))
        expect(html).toContain(`data-testid="${id}"`);
    }
  });

  it.each(Object.entries({ clock, format }))(
    "declares what %s.js exports, no more and no less",
    (name, module) => {
      const declared = readFileSync(new URL(`${name}.d.ts`, import.meta.url), "utf8");
      const names = [...declared.matchAll(/^export (?:const|function|class) (\w+)/gm)].map(([, it]) => it);
      expect(names.sort()).toEqual(Object.keys(module).sort());
    },
  );

  it("writes what the server sends as text only", () => {
    for (const name of ours.filter((name) => name.endsWith(".js")))
      expect(readFileSync(new URL(name, import.meta.url), "utf8")).not.toMatch(
        /\.(?:innerHTML|outerHTML|insertAdjacentHTML)|document\.write|\beval\(/,
      );
  });
});

describe("figures", () => {
  it("are as long as asked, with a true minus sign", () => {
    expect(figure(1.23456, 3)).toBe("1.235");
    expect(figure(-0.5, 2)).toBe("−0.50");
    expect(figure(0, 3)).toBe("0.000");
    expect(change(0.25, 2)).toBe("+0.25");
    expect(change(-0.25, 2)).toBe("−0.25");
  });

  it("never round what is small to zero, nor invent what is missing", () => {
    expect(figure(0.00001234, 4)).toBe("1.2e−5");
    expect(figure(null, 4)).toBe(NOTHING);
    expect(figure(Number.NaN, 4)).toBe(NOTHING);
    expect(percent(1, 0)).toBe(NOTHING);
  });

  it("scale with their units", () => {
    expect(bytes(0)).toBe("0 B");
    expect(bytes(999)).toBe("999 B");
    expect(bytes(13_412)).toBe("13.4 kB");
    expect(bytes(1_480_000_000)).toBe("1.48 GB");
    expect(count(500)).toBe("500");
    expect(count(1_250_000)).toBe("1.25 M");
    expect(percent(1, 3)).toBe("33.3 %");
    expect(plural(1, "round")).toBe("1 round");
    expect(plural(0, "round")).toBe("0 rounds");
  });

  it("tell times", () => {
    expect(duration(8.94)).toBe("8.9 s");
    expect(duration(-1)).toBe("0 s");
    expect(duration(250)).toBe("4 min 10 s");
    expect(duration(7500)).toBe("2 h 5 min");
    expect(countdown(41_200)).toBe("0:42");
    expect(countdown(3_723_000)).toBe("1:02:03");
    expect(countdown(-5)).toBe("0:00");
  });

  it("shorten names without losing which", () => {
    expect(shortId("3f2a91c0".padEnd(64, "0"))).toBe("3f2a91c0");
    expect(runName(`moby-dick-${"ab".repeat(16)}`)).toEqual({ slug: "moby-dick", hash: "ab".repeat(16) });
    expect(runName("odd")).toEqual({ slug: "odd", hash: "" });
    expect(verdictName("not-selected")).toBe("not selected");
    expect(withoutVerdict("selected: improves the loss")).toBe("improves the loss");
    expect(withoutVerdict("not in this round's roster")).toBe("not in this round's roster");
  });
});

describe("the steps of a round", () => {
  const progress = {
    announced: 6,
    roster: 5,
    committed: 4,
    complete: 3,
    jobs: 8,
    reported: 2,
    shards: 3,
    aggregated: 1,
  };

  it("are done before the phase, current in it, and say nothing yet after it", () => {
    expect(steps({ phase: "settle", progress }).map(({ state, text }) => [state, text])).toEqual([
      ["done", "5 in the roster"],
      ["done", "4 of 5 committed"],
      ["current", "3 of 4 complete"],
      ["ahead", NOTHING],
      ["ahead", NOTHING],
    ]);
  });

  it("fill while their parts come in", () => {
    expect(steps({ phase: "evaluate", progress }).map(({ fraction }) => fraction)).toEqual([
      1, 1, 1, 0.25, 0,
    ]);
    expect(steps({ phase: "gather", progress })[0]).toMatchObject({ text: "6 announced", fraction: 0 });
    expect(steps({ phase: "finished", progress }).every(({ state }) => state === "done")).toBe(true);
  });

  it("have words for every phase, and for a pause", () => {
    expect(Object.keys(PHASES)).toEqual([...STEPS, "finished"]);
    expect(isPaused({ waitingFor: [{ kind: "resume", name: "", text: "the operator" }] })).toBe(true);
    expect(isPaused({ waitingFor: [] })).toBe(false);
  });
});

describe("the deadline of a phase", () => {
  const nowMs = Date.UTC(2026, 0, 31, 12, 0, 0);
  const at = (seconds: number) => new Date(nowMs + 1_000 * seconds).toISOString();
  const waits = (kind: AwaitedThing["kind"], phase: Phase, endsAt: string | null) =>
    deadline({ phase, waitingFor: [{ kind, name: "", text: "" }], endsAt }, nowMs);

  it("is counted down, and what is past it is overdue", () => {
    expect(waits("commit", "train", at(42))).toEqual({ label: "ends within", time: "0:42" });
    expect(waits("coordinator", "train", at(-90))).toEqual({ label: "overdue for", time: "1:30" });
  });

  it("is nobody's business once only a decision is missing", () => {
    expect(waits("coordinator", "settle", at(9))).toEqual({ label: "", time: "due now" });
    expect(waits("coordinator", "gather", null)).toEqual({ label: "", time: "due now" });
    expect(isDue({ waitingFor: [] })).toBe(false);
  });

  it("is absent for a reason", () => {
    expect(waits("resume", "gather", null).time).toBe("no deadline: paused");
    expect(waits("peers", "gather", null).time).toBe("no deadline: too few peers");
    expect(deadline({ phase: "finished", waitingFor: [], endsAt: null }, nowMs)).toEqual({
      label: "",
      time: "",
    });
  });
});

describe("the loss by round", () => {
  const round = { selected: [], refused: [], bytesUp: 0, bytesDown: 0, stateHash: null, seconds: 1 };

  it("starts at the genesis, keeps gaps and marks rounds that changed nothing", () => {
    expect(
      lossPoints({
        initialHeldOutLoss: 5.5,
        history: [
          { ...round, round: 1, outcome: "applied", heldOutLoss: null },
          { ...round, round: 2, outcome: "void", heldOutLoss: 4.5 },
        ],
      }),
    ).toEqual({ rounds: [0, 1, 2], losses: [5.5, null, 4.5], still: [null, null, 4.5] });
  });

  it("is drawn up to the planned end while that leaves room for the curve", () => {
    expect(lastRoundDrawn(3, 20)).toBe(20);
    expect(lastRoundDrawn(3, 5000)).toBe(10);
    expect(lastRoundDrawn(400, 500)).toBe(500);
    expect(lastRoundDrawn(0, 0)).toBe(1);
  });
});

describe("the server's clock", () => {
  const { ServerClock } = clock;
  const at = (second: number) => new Date(Date.UTC(2026, 0, 31, 12, 0, second)).toISOString();

  it("is unknown before the first picture", () => {
    expect(new ServerClock().at(0)).toBeNull();
  });

  it("is taken from the least delayed picture", () => {
    const servers = new ServerClock();
    servers.observe(at(0), 1_500);
    servers.observe(at(10), 10_200);
    servers.observe(at(20), 29_000);
    expect(servers.at(30_200)).toBe(Date.parse(at(30)));
  });

  it("follows a server whose clock was set back, after some pictures", () => {
    const servers = new ServerClock();
    servers.observe(at(50), 0);
    for (let picture = 1; picture <= 20; picture++) servers.observe(at(picture), 1_000 * picture);
    expect(servers.at(21_000)).toBe(Date.parse(at(21)));
  });

  it("is not led astray by a picture without a time", () => {
    const servers = new ServerClock();
    servers.observe(at(0), 0);
    servers.observe("soon", 5);
    expect(servers.at(1_000)).toBe(Date.parse(at(1)));
  });
});
