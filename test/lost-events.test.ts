/**
 * Events are hints: a run that loses them ends the same way, found by the sweep.
 */
import { afterEach, expect, it } from "vitest";
import { Draw } from "../functions/coordinator/draws.ts";
import { type EmbeddedRun, startEmbeddedRun } from "./support/embedded-run.ts";
import { tinyConfig } from "./support/tiny-run.ts";

let embedded: EmbeddedRun | undefined;
afterEach(() => embedded?.close());

it("publishes every round when half of all creation events are lost", async () => {
  const draw = new Draw("00".repeat(32), "lost events");
  let lost = 0;
  embedded = await startEmbeddedRun({
    config: tinyConfig({ rounds: 3, peers: 3 }),
    loseEvent: () => {
      const loses = draw.integer(2) === 0;
      if (loses) lost++;
      return loses;
    },
  });
  for (const name of ["a", "b", "c"]) embedded.peer(name);
  const status = await embedded.until(
    ({ phase, history }) => phase === "finished" && history.every(({ stateHash }) => stateHash !== null),
  );
  expect(lost).toBeGreaterThan(0);
  expect(status.history.map(({ outcome }) => outcome)).toEqual(["applied", "applied", "applied"]);
  // Whoever was not used was judged all the same: no upload went unseen.
  const verdicts = status.history.flatMap(({ refused }) => refused.map(({ verdict }) => verdict));
  expect(verdicts.filter((verdict) => verdict !== "not-selected")).toEqual([]);
  expect(embedded.faults).toEqual([]);
});

it("publishes every round when all creation events are lost", async () => {
  embedded = await startEmbeddedRun({ config: tinyConfig({ rounds: 2, peers: 2 }), loseEvent: () => true });
  for (const name of ["a", "b"]) embedded.peer(name);
  const status = await embedded.untilFinished();
  expect(status.history.map(({ outcome }) => outcome)).toEqual(["applied", "applied"]);
  expect(embedded.faults).toEqual([]);
});
