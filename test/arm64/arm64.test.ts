/** The kernels on the processor that most functions run on, emulated where an emulator and a cross compiler are. */
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";

const here = resolve(import.meta.dirname, "../..");
const isThere = (name: string) => spawnSync(name, ["--version"]).status === 0;
const CROSS_COMPILER = "aarch64-linux-gnu-g++";

it.skipIf(![CROSS_COMPILER, "qemu-aarch64", "c++"].every(isThere))(
  "the kernels give the same bytes on arm64",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "outerloop-arm64-"));
    const built = (compiler: string) => {
      const program = join(folder, compiler);
      const flags = ["-O2", "-std=c++17", "-ffp-contract=off", "-static", "-DOUTERLOOP_ISA=portable"];
      const sources = [join(here, "test/arm64/digest.cc"), join(here, "native/kernels.cc")];
      const { status, stderr } = spawnSync(compiler, [...flags, ...sources, "-o", program], {
        encoding: "utf8",
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      return program;
    };
    const output = (command: string, ...args: string[]) =>
      spawnSync(command, args, { encoding: "utf8" }).stdout;
    try {
      const wanted = output(built("c++"));
      expect(wanted).toMatch(/^[0-9a-f]{16}\n$/);
      expect(output("qemu-aarch64", built(CROSS_COMPILER))).toBe(wanted);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
  120_000,
);
