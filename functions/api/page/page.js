/**
 * The page of a run: hears statuses, draws at most one of them for each frame, and lets the clock tick in between.
 *
 * @module
 */
import { drawLoss } from "./chart.js";
import { ServerClock } from "./clock.js";
import { follow } from "./connection.js";
import { find, idButton, make, setAttribute, setText } from "./dom.js";
import { drawFigures } from "./figures.js";
import { duration, runName } from "./format.js";
import { drawLeaderboard } from "./leaderboard.js";
import { drawDeadline, drawNow } from "./now.js";
import { drawRounds } from "./rounds.js";

/** @import { RunStatus } from "../../../schemas/status.ts" */

const TICK_MS = 250;
/** A younger picture needs no word about its age. */
const FRESH_SECONDS = 5;

let clock = new ServerClock();
const wanted = new URLSearchParams(location.search).get("run");
/** @type {RunStatus | undefined} */
let status;
/** @type {"connecting" | "live" | "lost"} */
let connection = "connecting";
let notice = "Looking for a run.";
let frame = 0;

/** The run whose name stands in the bar. */
let named = "";

function draw() {
  frame = 0;
  setAttribute(document.body, "data-view", status ? "run" : "waiting");
  setText(find("#notice"), connection === "lost" ? "The coordinator does not answer." : notice);
  tick();
  if (!status) return;
  drawName(status.run);
  drawNow(status);
  drawLoss(status);
  drawFigures(status);
  drawLeaderboard(status);
  drawRounds(status);
}

function drawName(/** @type {string} */ run) {
  if (run === named) return;
  named = run;
  const { slug, hash } = runName(run);
  setText(find("#run-name"), slug);
  find("#run-id").replaceChildren(idButton("run", run, hash.slice(0, 8)));
}

/** What changes with time alone. */
function tick() {
  const words = {
    connecting: "connecting",
    live: status ? "live" : "connected",
    lost: "connection lost, trying again",
  };
  setAttribute(find("[data-testid=connection]"), "data-state", connection);
  setText(find("#connection-state"), words[connection]);
  const serverNowMs = clock.at(performance.now());
  if (!status || serverNowMs === null) return;
  const ageSeconds = (serverNowMs - Date.parse(status.asOf)) / 1000;
  const fresh = connection === "live" && ageSeconds < FRESH_SECONDS;
  setText(find("#connection-age"), fresh ? "" : `this picture is ${duration(Math.floor(ageSeconds))} old`);
  drawDeadline(status, serverNowMs);
}

function redraw() {
  if (frame === 0) frame = requestAnimationFrame(draw);
}

/** A choice once there is more than one run; it goes through the address, so that it can be linked to. */
function offer(/** @type {string[]} */ runs, /** @type {string | undefined} */ run) {
  const choice = find("#run-choice");
  choice.replaceChildren(
    ...runs.toReversed().map((known) => {
      const { slug, hash } = runName(known);
      const option = make("option", { value: known }, `${slug} ${hash.slice(0, 8)}`);
      option.selected = known === run;
      return option;
    }),
  );
  find(".run-choice").hidden = runs.length < 2;
}

find("#run-choice").addEventListener("change", ({ currentTarget }) => {
  if (currentTarget instanceof HTMLSelectElement)
    location.search = new URLSearchParams({ run: currentTarget.value }).toString();
});

setInterval(tick, TICK_MS);

follow(wanted, {
  runs(runs, run) {
    offer(runs, run);
    notice =
      run !== undefined
        ? "Waiting for the first picture of the run."
        : wanted === null
          ? "There is no run yet. This page shows it as soon as there is one."
          : `There is no run ${wanted} here.`;
    redraw();
  },
  status(next) {
    status = next;
    clock.observe(next.asOf, performance.now());
    redraw();
  },
  live() {
    // Whoever answers now may keep another time.
    if (connection === "lost") clock = new ServerClock();
    connection = "live";
    redraw();
  },
  lost() {
    connection = "lost";
    redraw();
  },
});
