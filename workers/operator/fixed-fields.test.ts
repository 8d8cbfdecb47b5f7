import { expect, it } from "vitest";
import { type Genesis, OuterloopError, type RunConfig } from "../../schemas/index.ts";
import { quickStartConfig } from "../local/quick-start.ts";
import { refuseFixedFields } from "./fixed-fields.ts";

const config = quickStartConfig({ rounds: 3, peers: 2, deterministic: true });

/** Of a genesis, the rule reads the configuration alone. */
function refused(after: RunConfig): unknown {
  try {
    refuseFixedFields({ config } as Genesis, after);
    return null;
  } catch (error) {
    return error instanceof OuterloopError && { code: error.code, ...error.details };
  }
}

it("what a run may change is taken", () => {
  expect(refused(config)).toBeNull();
  expect(
    refused({
      ...config,
      rounds: 9,
      inner: { ...config.inner, steps: 4 },
      windows: { ...config.windows, trainSeconds: 7 },
    }),
  ).toBeNull();
});

it("what it cannot is named, field by field, and nothing else is", () => {
  const after = {
    ...config,
    rounds: 9,
    model: { ...config.model, width: 128 },
    inner: { ...config.inner, steps: 4, batchSize: 16 },
    gauntlet: { ...config.gauntlet, rating: { ...config.gauntlet.rating, tau: 0.2 } },
  };
  expect(refused(after)).toEqual({
    code: "fixed-field",
    fields: ["model.width", "inner.batchSize", "gauntlet.rating.tau"],
  });
  expect(() => refuseFixedFields({ config } as Genesis, after)).toThrow("model.width (96, not 128)");
});
