/**
 * On what, and among what other work, something was measured.
 *
 * @module
 */
import { cpus, loadavg } from "node:os";
import type { BenchmarkResult } from "./result.ts";

/** Work of the last minute: above 0 before anything is measured, somebody else was at work. */
export function loadNow(): number {
  return loadavg()[0] ?? 0;
}

/** This machine now that all is measured. */
export function machineAfter(loadBefore: number): BenchmarkResult["machine"] {
  return {
    processor: cpus()[0]?.model ?? "unknown processor",
    cores: cpus().length,
    platform: `${process.platform}-${process.arch}`,
    node: process.versions.node,
    loadBefore,
    loadAfter: loadNow(),
  };
}
