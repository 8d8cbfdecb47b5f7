/**
 * The page in a real browser, during a run and after it.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chromiumPath, openBrowser } from "./support/browser.ts";
import { freePort } from "./support/embedded-run.ts";
import { outerloop, type Running } from "./support/up.ts";

const ROUNDS = 4;

// A person may have no Chromium; CI installs one, and there its absence is a failure.
describe.skipIf(chromiumPath === undefined && process.env.CI === undefined)("the page of a run", () => {
  let folder: string;
  let running: Running;
  let browser: Browser;
  let page: Page;
  const requests: string[] = [];
  const errors: string[] = [];
  let url: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "outerloop-page-"));
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    browser = await openBrowser();
    running = outerloop(
      "up",
      "--json",
      "--keep",
      "--rounds",
      String(ROUNDS),
      "--port",
      String(port),
      "--data-dir",
      folder,
    );
    await running.saw(/^round +1 /m);
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on("request", (request) => requests.push(request.url()));
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    await page.goto(url);
  });
  afterAll(async () => {
    await browser?.close();
    running?.process.kill("SIGINT");
    await running?.ended;
    await rm(folder, { recursive: true, force: true });
  });

  const text = (id: string) => page.getByTestId(id).first().innerText();

  it("says while it goes on which round it is, and what that waits for until when", async () => {
    await page
      .getByTestId("round")
      .getByText(/\b[1-4]\b/)
      .first()
      .waitFor();
    expect(await text("phase")).not.toBe("");
    // Phases pass within fractions of a second: look until one is caught waiting.
    await page.waitForFunction(`(() => {
      const shown = (id) => document.querySelector('[data-testid="' + id + '"]')?.textContent ?? "";
      return /commit|upload|report|check|announce|aggregate/i.test(shown("waiting-for")) && /[0-9]/.test(shown("ends-at"));
    })()`);
  });

  it("shows every round with its loss, and the reason for each refusal, without a reload", async () => {
    const rows = page.getByTestId("round-row");
    await rows.nth(ROUNDS - 1).waitFor();
    expect(await rows.count()).toBe(ROUNDS);
    const table = await text("rounds-table");
    expect(table).toMatch(/\d\.\d{2,}/);
    expect(table).toMatch(/makes the model worse/);
  });

  it("draws the held-out loss", async () => {
    await page.getByTestId("loss-chart").locator("canvas").waitFor();
    const painted = await page.evaluate(`(() => {
      const canvas = document.querySelector('[data-testid="loss-chart"] canvas');
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((value, i) => i % 4 === 3 && value !== 0).length;
    })()`);
    expect(painted).toBeGreaterThan(500);
  });

  it("ranks the peers, and marks the saboteur with the reason", async () => {
    await running.saw(new RegExp(`^round +${ROUNDS} `, "m"));
    const rows = page.getByTestId("leaderboard-row");
    await page.waitForFunction(`document.querySelectorAll('[data-testid="leaderboard-row"]').length === 5`);
    const verdicts = await rows.evaluateAll((all) => all.map((row) => row.getAttribute("data-verdict")));
    expect(verdicts.filter((verdict) => verdict === "selected")).toHaveLength(4);
    const refused = page.locator('[data-testid="leaderboard-row"]:not([data-verdict="selected"])');
    expect(await refused.getByTestId("reason").innerText()).toMatch(/makes the model worse: LossScore/);
  });

  it("says when the run has finished", async () => {
    await page
      .getByTestId("phase")
      .getByText(/finished/i)
      .waitFor();
  });

  it("is readable on a phone", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    const overflow = await page.evaluate(
      "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    );
    expect(overflow).toBeLessThanOrEqual(0);
    await page.getByTestId("leaderboard").scrollIntoViewIfNeeded();
    expect(await page.getByTestId("leaderboard").isVisible()).toBe(true);
  });

  it("asks nobody but the coordinator, and reports no error", () => {
    expect(requests.filter((request) => !request.startsWith(url))).toEqual([]);
    expect(errors).toEqual([]);
  });

  it("keeps the picture and says so when the coordinator is gone", async () => {
    running.process.kill("SIGINT");
    await running.ended;
    await page
      .getByTestId("connection")
      .getByText(/lost|trying/i)
      .waitFor();
    expect(await page.getByTestId("round-row").count()).toBe(ROUNDS);
  });
});
