#!/usr/bin/env node
// Plain JavaScript, so that an old Node can say what it lacks instead of failing on the first type annotation.
import { existsSync } from "node:fs";

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `outerloop needs Node 22.18 or newer, this is ${process.versions.node}. ` +
      "Run it through npm (`npm start`, `npm run outerloop -- status`): the dependency `node` brings a new one along.\n",
  );
  process.exit(1);
}
// A package has JavaScript in the place of each module.
const sources = new URL("../workers/cli/main.ts", import.meta.url);
const { main } = await import(existsSync(sources) ? sources.href : "../workers/cli/main.mjs");
// The work is done and said; a long poll that still waits for an answer must not keep the process.
process.exit(await main(process.argv.slice(2)));
