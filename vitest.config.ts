import { defineConfig } from "vitest/config";

// `unit` runs beside the code and takes seconds; `end-to-end` starts real processes, one file at a time,
// because each of them fills the machine with training.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["{schemas,native,functions,workers}/**/*.test.ts"],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "end-to-end",
          include: ["test/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
