/**
 * The round now: its phase, what it waits for and until when.
 *
 * @module
 */
import { find, keyedChildren, make, setAttribute, setText } from "./dom.js";
import { deadline, isDue, isPaused, PHASES, steps } from "./format.js";

/** @import { RunStatus } from "../../../schemas/status.ts" */

/** More names than this are a number, not a list. */
const NAMES_SHOWN = 5;

const round = find("[data-testid=round]");
const phase = find("[data-testid=phase]");
const endsAt = find("[data-testid=ends-at]");
const deadlineLabel = find("#deadline-label");
const announcement = find("#announcement");
const waitingFor = find("[data-testid=waiting-for]");

const drawSteps = keyedChildren(
  find("#steps"),
  (/** @type {ReturnType<typeof steps>[number]} */ { step }) => step,
  ({ step }) => {
    const fill = make("span", { class: "fill" });
    const text = make("span", { class: "count" });
    const element = make(
      "li",
      { "data-step": step },
      make("span", { class: "name" }, step),
      make("span", { class: "meter", "aria-hidden": "true" }, fill),
      text,
    );
    return {
      element,
      update(item) {
        setAttribute(element, "data-state", item.state);
        if (item.state === "current") element.setAttribute("aria-current", "step");
        else element.removeAttribute("aria-current");
        fill.style.inlineSize = `${100 * item.fraction}%`;
        setText(text, item.text);
      },
    };
  },
);

const drawWaitingFor = keyedChildren(
  waitingFor,
  (/** @type {{ text: string }} */ { text }) => text,
  ({ text }) => ({ element: make("li", {}, text), update() {} }),
);

/** @param {RunStatus} status */
export function drawNow(status) {
  const title = isPaused(status) ? "Paused" : PHASES[status.phase].title;
  const where = `Round ${status.round} of ${status.rounds}`;
  setText(round, where);
  setText(phase, title);
  setAttribute(phase, "data-phase", status.phase);
  setText(find("#about"), PHASES[status.phase].about);
  setText(announcement, `${where}: ${title}`);
  document.title = `${where}, ${title.toLowerCase()} · Outerloop`;

  drawSteps(steps(status));

  const names = status.waitingFor.slice(0, NAMES_SHOWN);
  const more = status.waitingFor.length - names.length;
  drawWaitingFor(more > 0 ? [...names, { text: `and ${more} more` }] : names);
  find("#waiting-title").hidden = names.length === 0;
  setText(find("#decision-reason"), status.reason);
  setText(
    find("#afterwards-label"),
    status.endsAt === null || isDue(status) ? "And then:" : "At the deadline:",
  );
  setText(find("[data-testid=afterwards]"), status.afterwards);
  setAttribute(
    phase,
    "title",
    status.since === null ? "" : `since ${new Date(status.since).toLocaleString()}`,
  );
}

/** The countdown alone, many times for each picture. @param {RunStatus} status @param {number} serverNowMs */
export function drawDeadline(status, serverNowMs) {
  const { label, time } = deadline(status, serverNowMs);
  setText(deadlineLabel, label);
  setText(endsAt, time);
  // Large figures are for a time alone.
  if (label === "" || status.endsAt === null) {
    endsAt.removeAttribute("datetime");
    endsAt.removeAttribute("title");
    return;
  }
  setAttribute(endsAt, "datetime", status.endsAt);
  setAttribute(endsAt, "title", new Date(status.endsAt).toLocaleString());
}
