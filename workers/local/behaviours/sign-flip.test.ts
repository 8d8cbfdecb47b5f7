import { expect, it } from "vitest";
import { roundWindows } from "../../../functions/coordinator/assignment.ts";
import { testConfig } from "../../../functions/coordinator/testing/facts.ts";
import type { InnerLoop } from "../../peer/inner-loop.ts";
import { signFlip } from "./sign-flip.ts";

it("a sign-flipper's pseudo-gradient is the opposite of an honest one, with the same norm", async () => {
  const start = {
    parameters: Float32Array.of(1, -2, 0.5),
    m: new Float32Array(3),
    v: new Float32Array(3),
    innerSteps: 0,
  };
  const honest: InnerLoop = {
    train: async () => ({
      ...start,
      parameters: Float32Array.of(0.75, -2.5, 0.5),
      innerSteps: 4,
      tokens: 64,
      meanLoss: 3,
    }),
    close: async () => {},
  };
  const data = {
    source: "",
    tokenType: "uint16" as const,
    tokens: 10_000,
    shards: [],
    train: { start: 0, end: 9_000 },
    heldOut: { start: 9_000, end: 10_000 },
  };
  const task = {
    start,
    round: 1,
    config: testConfig,
    position: 0,
    windows: roundWindows("00".repeat(32), data, testConfig, 1),
    onStep: () => {},
  };
  const { parameters } = await signFlip(honest).train(task);
  const delta = [...start.parameters].map((value, i) => value - (parameters[i] ?? 0));
  expect(delta).toEqual([-0.25, -0.5, 0]);
});
