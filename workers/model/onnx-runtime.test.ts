import { describe, expect, it } from "vitest";
import { executionProviders, onBestDevice } from "./onnx-runtime.ts";

describe("the execution provider", () => {
  it("is the CPU for who trains, and CUDA where it can be had for who only evaluates", () => {
    expect(executionProviders(undefined, false)).toBe("cpu");
    expect(executionProviders("auto", false)).toBe("cpu");
    expect(executionProviders(undefined, true)).toBe("auto");
    expect(executionProviders("cpu", true)).toBe("cpu");
    expect(executionProviders("cuda", false)).toBe("cuda");
    expect(() => executionProviders("rocm", true)).toThrow(/cpu, cuda or auto, not "rocm"/);
  });

  const created: string[][] = [];
  const create = (works: readonly string[]) => async (providers: readonly string[]) => {
    created.push([...providers]);
    if (!works.includes(providers[0] ?? "")) throw new Error("no such device\nand more");
    return providers.join();
  };

  it("falls back to the CPU with the reason", async () => {
    expect(await onBestDevice("auto", create(["cpu"]), true)).toEqual({
      session: "cpu",
      device: { provider: "cpu", note: "computing on the CPU: no such device" },
    });
    created.length = 0;
    const without = await onBestDevice("auto", create(["cpu"]), false);
    expect(without.device.note).toMatch(/no CUDA libraries/);
    // The runtime is not asked for what is not there.
    expect(created).toEqual([["cpu"]]);
  });

  it("is CUDA where that works", async () => {
    expect((await onBestDevice("auto", create(["cuda"]), true)).device).toEqual({
      provider: "cuda",
      note: null,
    });
  });

  it("is not replaced where somebody named it", async () => {
    await expect(onBestDevice("cuda", create(["cpu"]), true)).rejects.toThrow("no such device");
    expect((await onBestDevice("cpu", create(["cpu"]), true)).device.note).toBeNull();
  });
});
