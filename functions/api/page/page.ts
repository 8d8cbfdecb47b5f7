/**
 * The live page of a run: plain files, sent as they lie here. It needs no build and no host but this one, so it also
 * works where a run is started on a machine without a network.
 *
 * @example
 * const app = new Hono();
 * app.route("/", pageRoutes()); // beside `/runs`, `/runs/{run}` and `/runs/{run}/events`, which the page reads
 *
 * @module
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Hono } from "hono";

const HTML = "text/html; charset=utf-8";
const SCRIPT = "text/javascript; charset=utf-8";
const STYLE = "text/css; charset=utf-8";
const IMAGE = "image/svg+xml";

const SCRIPTS = [
  "page.js",
  "now.js",
  "chart.js",
  "figures.js",
  "leaderboard.js",
  "rounds.js",
  "connection.js",
  "clock.js",
  "format.js",
  "dom.js",
];

/**
 * Whatever a peer manages to put into a status, it stays text: nothing but our own files runs, and Trusted Types make
 * the browser refuse every `innerHTML`. Neither the page nor uPlot needs more; uPlot sets its styles through the CSSOM.
 */
const SECURITY_HEADERS = {
  "content-security-policy": [
    "default-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; "),
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

/** Serves the page at `/` and its files below `/assets/`. The headers go on these answers only, not on the API's. */
export function pageRoutes(): Hono {
  const here = (name: string) => new URL(name, import.meta.url);
  const installed = createRequire(import.meta.url);
  const app = new Hono();

  const serve = (path: string, file: string | URL, type: string) => {
    const content = readFileSync(file);
    const etag = `"${createHash("sha256").update(content).digest("base64url")}"`;
    // "no-cache" asks each time and mostly hears 304: a new release never meets the scripts of the old one.
    const headers = { ...SECURITY_HEADERS, etag, "cache-control": "no-cache" };
    app.get(path, (context) =>
      context.req.header("if-none-match")?.includes(etag)
        ? context.body(null, 304, headers)
        : context.body(content, 200, { ...headers, "content-type": type }),
    );
  };

  serve("/", here("index.html"), HTML);
  serve("/index.html", here("index.html"), HTML);
  for (const name of SCRIPTS) serve(`/assets/${name}`, here(name), SCRIPT);
  serve("/assets/page.css", here("page.css"), STYLE);
  serve("/assets/icon.svg", here("icon.svg"), IMAGE);
  serve("/assets/uplot.js", installed.resolve("uplot/dist/uPlot.iife.min.js"), SCRIPT);
  serve("/assets/uplot.css", installed.resolve("uplot/dist/uPlot.min.css"), STYLE);
  return app;
}
