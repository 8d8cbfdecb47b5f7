/**
 * Peers by PeerScore, with every factor of it, and what became of each in its last round and why.
 *
 * @module
 */
import { find, idButton, keyedChildren, make, pager, setAttribute, setText, verdictMark } from "./dom.js";
import { figure, percent, withoutVerdict } from "./format.js";

/** @import { RunStatus, Standing } from "../../../schemas/status.ts" */
/** @typedef {{ standing: Standing, rank: number, bestScore: number, earnedByAll: number }} Ranked */

const PEERS_SHOWN = 50;

/** @type {Record<string, (standing: Standing) => boolean>} */
const FILTERS = {
  All: () => true,
  Selected: ({ lastVerdict }) => lastVerdict === "selected",
  Refused: ({ lastVerdict }) => lastVerdict === "refused",
  "Left out": ({ lastVerdict }) => lastVerdict !== "selected" && lastVerdict !== "refused",
};

/** @type {Standing[]} */
let standings = [];
let chosen = "All";

const empty = find("#standings-empty");
const page = pager(find("#standings-more"), PEERS_SHOWN, draw);

const drawFilter = keyedChildren(
  find("#filter"),
  (/** @type {string} */ name) => name,
  (name) => {
    const amount = make("span");
    const element = make("button", { type: "button" }, `${name} `, amount);
    element.addEventListener("click", () => {
      chosen = name;
      draw();
    });
    return {
      element,
      update() {
        setText(amount, String(standings.filter((standing) => FILTERS[name]?.(standing)).length));
        setAttribute(element, "aria-pressed", String(name === chosen));
      },
    };
  },
);

/** @type {[label: string, text: (row: Ranked) => string][]} */
const COLUMNS = [
  ["PeerScore", ({ standing }) => figure(standing.peerScore, 3)],
  ["LossScore", ({ standing }) => figure(standing.lossScore, 4)],
  ["Rating", ({ standing }) => `${figure(standing.ratingMu, 1)} ± ${figure(standing.ratingSigma, 1)}`],
  ["Assignment", ({ standing }) => figure(standing.assignmentScore, 3)],
  ["Presence", ({ standing }) => figure(standing.presence, 2)],
  ["Penalty", ({ standing }) => figure(standing.penalty, 2)],
  [
    "Earned",
    ({ standing, earnedByAll }) => percent(standing.earned, earnedByAll) + (standing.held > 0 ? " held" : ""),
  ],
  ["Sel. / ref.", ({ standing }) => `${standing.selectedRounds} / ${standing.refusedRounds}`],
];

const drawRows = keyedChildren(
  find("#standings"),
  (/** @type {Ranked} */ { standing }) => standing.peer,
  ({ standing: { peer } }) => {
    const rank = make("td", { class: "number rank" });
    const cells = COLUMNS.map(([label]) => make("td", { class: "number", "data-label": label }));
    const mark = verdictMark();
    const when = make("span", { class: "when" });
    const reason = make("p", { class: "reason", "data-testid": "reason" });
    const element = make(
      "tr",
      { "data-testid": "leaderboard-row", "data-peer": peer },
      rank,
      make("th", { scope: "row" }, idButton("peer", peer)),
      ...cells,
      make("td", { class: "last" }, mark.element, when, reason),
    );
    cells[0]?.classList.add("score");
    return {
      element,
      update(row) {
        setAttribute(element, "data-verdict", row.standing.lastVerdict);
        setText(rank, String(row.rank));
        for (const [index, [, text]] of COLUMNS.entries()) {
          const cell = cells[index];
          if (cell) setText(cell, text(row));
        }
        const part = row.bestScore > 0 ? Math.max(0, row.standing.peerScore) / row.bestScore : 0;
        cells[0]?.style.setProperty("--part", part.toFixed(3));
        mark.update(row.standing.lastVerdict);
        setText(when, `round ${row.standing.lastRound}`);
        setText(reason, withoutVerdict(row.standing.lastReason));
      },
    };
  },
);

function draw() {
  const bestScore = standings[0]?.peerScore ?? 0;
  const earnedByAll = standings.reduce((sum, { earned }) => sum + earned, 0);
  const rows = standings
    .map((standing, index) => ({ standing, rank: index + 1, bestScore, earnedByAll }))
    .filter(({ standing }) => FILTERS[chosen]?.(standing));
  drawFilter(Object.keys(FILTERS));
  drawRows(page.cut(rows));
  setText(
    empty,
    standings.length > 0 ? "None in its last round." : "Peers stand here after the first round.",
  );
  empty.hidden = rows.length > 0;
}

/** @param {RunStatus} status */
export function drawLeaderboard(status) {
  standings = status.standings.toSorted((a, b) => b.peerScore - a.peerScore);
  draw();
}
