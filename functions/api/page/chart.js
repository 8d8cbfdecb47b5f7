/**
 * The held-out loss by round.
 *
 * @module
 */
import { find, setAttribute, setText } from "./dom.js";
import { change, figure, lastRoundDrawn, lossPoints, NOTHING } from "./format.js";

/** @import { RunStatus } from "../../../schemas/status.ts" */
/** @typedef {ReturnType<typeof lossPoints>} Points */

const FONT = "12px system-ui, sans-serif";
const WHOLE_ROUNDS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000];

const container = find("[data-testid=loss-chart]");
const readout = find("#loss-readout");

/** @type {Points} */
let points = { rounds: [0], losses: [null], still: [null] };
/** @type {RunStatus | undefined} */
let status;
let drawn = "";
let colours = readColours();

/** A canvas knows no custom properties: let the browser compute what they stand for in this colour scheme. */
function readColours() {
  const probe = document.createElement("span");
  container.append(probe);
  const colour = (/** @type {string} */ name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const read = {
    line: colour("accent"),
    text: colour("muted"),
    grid: colour("line"),
    surface: colour("surface"),
  };
  probe.remove();
  return read;
}

const axis = () => ({
  stroke: () => colours.text,
  font: FONT,
  grid: { stroke: () => colours.grid, width: 1 },
  ticks: { show: false },
});

/** A single value has no extent of its own, and would lie flat on a scale from zero. @returns {uPlot.Range.MinMax} */
function lossRange(/** @type {number | null} */ low, /** @type {number | null} */ high) {
  if (low === null || high === null) return [0, 1];
  const room = low === high ? 0.5 : 0;
  return uPlot.rangeNum(low - room, high + room, 0.12, true);
}

const plot = new uPlot(
  {
    width: container.clientWidth || 320,
    height: container.clientHeight,
    padding: [8, 18, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: {
      x: { time: false, range: () => [0, lastRoundDrawn(points.rounds.at(-1) ?? 0, status?.rounds ?? 1)] },
      y: { range: (_, low, high) => lossRange(low, high) },
    },
    axes: [
      { ...axis(), incrs: WHOLE_ROUNDS, space: 44, size: 30, gap: 6 },
      { ...axis(), space: 36, size: 46, gap: 6 },
    ],
    series: [
      {},
      {
        stroke: () => colours.line,
        width: 2,
        spanGaps: true,
        points: { size: 5, space: 8, fill: () => colours.line },
      },
      {
        stroke: () => colours.line,
        paths: () => null,
        points: { show: true, size: 9, width: 2, fill: () => colours.surface },
      },
    ],
    hooks: { setCursor: [(self) => drawReadout(self.cursor.idx)] },
  },
  [[0], [null], [null]],
  container,
);

new ResizeObserver(() => {
  if (container.clientWidth > 0)
    plot.setSize({ width: container.clientWidth, height: container.clientHeight });
}).observe(container);

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  colours = readColours();
  plot.redraw();
});

/** What stands below the cursor; without one, how to read the marks. @param {number | null | undefined} index */
function drawReadout(index) {
  if (index == null) {
    const stood = points.still.some((loss) => loss !== null);
    return setText(readout, stood ? "hollow: no change" : "\u00a0");
  }
  const loss = points.losses[index];
  const before = points.losses[index - 1];
  const round = index === 0 ? undefined : status?.history[index - 1];
  const parts = [
    round ? `round ${round.round}` : "start",
    loss == null ? "not measured" : figure(loss, 4),
    loss != null && before != null ? change(loss - before, 4) : "",
    round && round.outcome !== "applied" ? round.outcome : "",
  ];
  setText(readout, parts.filter((part) => part !== "").join("   "));
}

/** @param {RunStatus} next */
export function drawLoss(next) {
  status = next;
  points = lossPoints(next);
  const key = JSON.stringify([points, next.rounds]);
  if (key === drawn) return;
  drawn = key;
  plot.setData([points.rounds, points.losses, points.still]);
  drawReadout(plot.cursor.idx);

  const latest = points.losses.findLast((loss) => loss !== null);
  const first = points.losses.find((loss) => loss !== null);
  const moved = latest == null || first == null || latest === first ? null : latest - first;
  setText(find("#loss-now"), latest == null ? NOTHING : figure(latest, 4));
  setText(
    find("#loss-change"),
    moved === null ? "nats/token" : `nats/token, ${change(moved, 4)} since the start`,
  );
  setAttribute(
    container,
    "aria-label",
    latest == null
      ? "Held-out loss by round: not measured yet"
      : `Held-out loss by round: from ${figure(first, 4)} to ${figure(latest, 4)} nats per byte after ${next.history.length} rounds. The table of rounds holds every value.`,
  );
}
