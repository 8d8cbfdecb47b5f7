import { defineConfig } from "vitest/config";

// `unit` runs beside the code and takes seconds; `end-to-end` starts real processes, one file at a time,
// because each of them fills the machine with training; `services` runs against real MinIO and LocalStack.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["{schemas,native,functions,workers,infra}/**/*.test.ts"],
          exclude: ["**/*.infra.test.ts"],
          // One core less than there are is the default, and half of a small machine would stand idle.
          maxWorkers: "100%",
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "end-to-end",
          include: ["test/**/*.test.ts"],
          exclude: ["test/services/**", "test/chaos/services.test.ts"],
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
      {
        test: {
          name: "services",
          include: ["test/services/**/*.test.ts", "test/chaos/services.test.ts"],
          globalSetup: "test/services/global-setup.ts",
          // Most of them wait: for leases to end, for servers to start, for deadlines.
          maxWorkers: 2,
          testTimeout: 300_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
