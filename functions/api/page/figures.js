/**
 * The run in a few figures.
 *
 * @module
 */
import { find, keyedChildren, make, setText } from "./dom.js";
import { bytes, count, duration, NOTHING, plural } from "./format.js";

/** @import { RunStatus } from "../../../schemas/status.ts" */

/** @typedef {{ name: string, value: string, note: string }} Figure */

const draw = keyedChildren(
  find("#figures"),
  (/** @type {Figure} */ { name }) => name,
  ({ name }) => {
    const value = make("span", { class: "value" });
    const note = make("span", { class: "note" });
    return {
      element: make("div", {}, make("dt", {}, name), make("dd", {}, value, note)),
      update(figure) {
        setText(value, figure.value);
        setText(note, figure.note);
      },
    };
  },
);

/** @param {RunStatus["phase"]} phase @param {RunStatus["progress"]} progress */
function inRound(phase, { announced, roster }) {
  if (phase === "finished") return "in the whole run";
  return phase === "gather" ? `${announced} announced` : `${roster} in this round`;
}

/** @param {number} value */
const whole = (value) => value.toLocaleString("en");

/** @param {RunStatus} status */
export function drawFigures({ phase, progress, history, standings, parameters }) {
  const rounds = { applied: 0, empty: 0, void: 0 };
  const total = { refused: 0, bytesUp: 0, bytesDown: 0, seconds: 0 };
  for (const round of history) {
    rounds[round.outcome] += 1;
    total.refused += round.refused.filter(({ verdict }) => verdict === "refused").length;
    total.bytesUp += round.bytesUp;
    total.bytesDown += round.bytesDown;
    total.seconds += round.seconds;
  }
  draw([
    { name: "Peers", value: whole(standings.length), note: inRound(phase, progress) },
    {
      name: "Rounds applied",
      value: whole(rounds.applied),
      note: `${rounds.empty} empty, ${rounds.void} void`,
    },
    { name: "Updates refused", value: whole(total.refused), note: `in ${plural(history.length, "round")}` },
    {
      name: "Mean round",
      value: history.length > 0 ? duration(total.seconds / history.length) : NOTHING,
      note: "roster to manifest",
    },
    { name: "Uploaded", value: bytes(total.bytesUp), note: "by all peers" },
    { name: "Downloaded", value: bytes(total.bytesDown), note: "by all peers" },
    { name: "Parameters", value: count(parameters), note: `${bytes(4 * parameters)} as float32` },
  ]);
}
