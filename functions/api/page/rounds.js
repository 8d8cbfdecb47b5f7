/**
 * The finished rounds, the latest first.
 *
 * @module
 */
import { find, idButton, keyedChildren, make, pager, setAttribute, setText, verdictMark } from "./dom.js";
import { bytes, duration, figure, NOTHING } from "./format.js";

/** @import { RoundSummary, RunStatus } from "../../../schemas/status.ts" */

const ROUNDS_SHOWN = 30;
/** Of a round in which hundreds were refused, the first few tell the story; each peer's own stands in the leaderboard. */
const REFUSALS_SHOWN = 3;

/** @type {RoundSummary[]} */
let rounds = [];

const page = pager(find("#rounds-more"), ROUNDS_SHOWN, draw);

/** @param {RoundSummary["refused"][number]} refusal */
function refusalLine({ peer, verdict, reason }) {
  const mark = verdictMark();
  mark.update(verdict);
  const why = make("span", {}, mark.element, make("span", { class: "reason" }, reason));
  return make("li", {}, idButton("peer", peer), why);
}

/** Who broke a rule comes before who was only too slow or too many. @param {RoundSummary["refused"][number]} refusal */
const severity = ({ verdict }) => (verdict === "refused" ? 1 : 0);

const drawRows = keyedChildren(
  find("#rounds"),
  (/** @type {RoundSummary} */ { round }) => String(round),
  ({ round }) => {
    const cell = (/** @type {string} */ label) => make("td", { class: "number", "data-label": label });
    const cells = {
      loss: cell("Loss"),
      selected: cell("Selected"),
      up: cell("Up"),
      down: cell("Down"),
      time: cell("Time"),
    };
    const outcome = make("span", { class: "outcome" });
    const hash = make("td", { "data-label": "State hash" });
    const refusals = make("ul", { class: "refusals" });
    const element = make(
      "tr",
      { "data-testid": "round-row", "data-round": String(round) },
      make("th", { scope: "row", class: "number", "data-label": "Round" }, String(round)),
      make("td", { "data-label": "Outcome" }, outcome),
      ...Object.values(cells),
      hash,
      make("td", { class: "last" }, refusals),
    );
    let drawn = "";
    return {
      element,
      update(summary) {
        // A finished round changes at most twice: its loss and its state hash come after it.
        const key = JSON.stringify(summary);
        if (key === drawn) return;
        drawn = key;
        setText(outcome, summary.outcome);
        setAttribute(outcome, "data-outcome", summary.outcome);
        setText(cells.loss, figure(summary.heldOutLoss, 4));
        setText(cells.selected, String(summary.selected.length));
        setText(cells.up, bytes(summary.bytesUp));
        setText(cells.down, bytes(summary.bytesDown));
        setText(cells.time, duration(summary.seconds));
        hash.replaceChildren(summary.stateHash ? idButton("state hash", summary.stateHash) : NOTHING);
        const refused = summary.refused.toSorted((a, b) => severity(b) - severity(a));
        const more = summary.refused.length - REFUSALS_SHOWN;
        refusals.replaceChildren(...refused.slice(0, REFUSALS_SHOWN).map(refusalLine));
        if (more > 0) refusals.append(make("li", {}, `and ${more} more`));
      },
    };
  },
);

function draw() {
  drawRows(page.cut(rounds));
  find("#rounds-empty").hidden = rounds.length > 0;
}

/** @param {RunStatus} status */
export function drawRounds(status) {
  rounds = status.history.toSorted((a, b) => b.round - a.round);
  draw();
}
