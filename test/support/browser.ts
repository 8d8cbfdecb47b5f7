/**
 * A real Chromium for looking at the page: the one of the system, never a download.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const places = [
  process.env.CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** Where a Chromium is installed; undefined: nowhere. The variable CHROMIUM names another place. */
export const chromiumPath = places.find((place) => place !== undefined && existsSync(place));

/** Quiet: nothing it does by itself may touch a network. */
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function openBrowser(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error("no Chromium found: install one, or name it in CHROMIUM");
  return chromium.launch({ executablePath: chromiumPath, args: ARGS });
}
