import { defineConfig } from "vitest/config";

// Run by `npm run test:infra`, which makes .sst/platform first.
export default defineConfig({
  test: {
    name: "infra",
    include: ["infra/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // SST's components come as TypeScript sources.
    server: { deps: { inline: [/\.sst\/platform\/src/] } },
  },
});
