import { describe, expect, it } from "vitest";
import { isOuterloopError } from "../schemas/errors.ts";
import { readStage } from "./stage.ts";

function errorOf(environment: Record<string, string>): string {
  try {
    readStage("test", environment);
  } catch (error) {
    if (isOuterloopError(error, "invalid-setting")) return error.message;
    throw error;
  }
  return "no error";
}

describe("the settings of a stage", () => {
  it("need nothing to be set", () => {
    expect(readStage("test", {})).toMatchObject({
      production: false,
      region: "eu-west-1",
      architecture: "x86_64",
      alarmEmail: undefined,
      cdn: false,
      gpuPool: undefined,
      api: { domain: undefined },
    });
  });

  it("treat an empty variable as one that is not set", () => {
    expect(readStage("test", { OUTERLOOP_CDN: "", OUTERLOOP_REGION: "" })).toEqual(readStage("test", {}));
  });

  it("are those of production for the stage of that name alone", () => {
    expect(readStage("production", {}).production).toBe(true);
    expect(readStage("production-2", {}).production).toBe(false);
  });

  it("are read from their variables", () => {
    const stage = readStage("test", {
      OUTERLOOP_CDN: "on",
      OUTERLOOP_KEEP: "128",
      OUTERLOOP_GPU_EVALUATORS: "2",
      OUTERLOOP_EVALUATOR_IMAGE: "registry/evaluator:1",
      OUTERLOOP_GPU_INSTANCE_TYPES: "g5.xlarge, g6.xlarge",
    });
    expect(stage).toMatchObject({
      cdn: true,
      size: { keep: 128 },
      gpuPool: { evaluators: 2, image: "registry/evaluator:1", instanceTypes: ["g5.xlarge", "g6.xlarge"] },
    });
  });

  it("are refused all at once, each by its name", () => {
    const message = errorOf({
      OUTERLOOP_REGION: "Ireland",
      OUTERLOOP_KEEP: "65",
      OUTERLOOP_API_RATE: "many",
    });
    for (const name of ["OUTERLOOP_REGION", "OUTERLOOP_KEEP", "OUTERLOOP_API_RATE"])
      expect(message).toContain(name);
  });

  it("ask for an image where a pool is wanted", () => {
    expect(errorOf({ OUTERLOOP_GPU_EVALUATORS: "1" })).toContain("OUTERLOOP_EVALUATOR_IMAGE");
  });
});
