/**
 * How the functions become bundles: settings for the deploy, and for the test that starts each bundle by itself.
 * Knows nothing of SST's own code, so anybody may import it.
 *
 * @module
 */
import { existsSync } from "node:fs";
import type { BuildOptions } from "esbuild";

/** The entry of each function; each exports `handler`. */
export const entries = {
  decide: "functions/triggers/lambda/decide.ts",
  shards: "functions/triggers/lambda/shards.ts",
  api: "functions/triggers/lambda/api.ts",
  sweep: "functions/triggers/lambda/sweep.ts",
} as const;

export type FunctionName = keyof typeof entries;
export type Architecture = "x86_64" | "arm64";

/** A folder or file of the repository and where it lies in the bundle. */
export interface CopiedFile {
  from: string;
  to: string;
}

/**
 * Modules that read files beside themselves (the page, the codec's loader) must still find them when all modules are
 * one file at the root of the bundle. They are told that they lie in this folder, and their files are copied there.
 */
const MODULES = "modules";

/** SST's `nodejs` settings: the same for all functions. */
export const nodejs = {
  format: "esm",
  banner: `const moduleUrl = new URL("./${MODULES}/bundle.mjs", import.meta.url).href;`,
  esbuild: { define: { "import.meta.url": "moduleUrl" } },
} as const;

export const runtime = "nodejs24.x";

/** Where the native codec of a processor is built to; see `native/build.mjs`. */
function addonFolder(architecture: Architecture): string {
  return `prebuilds/linux-${architecture === "arm64" ? "arm64" : "x64"}`;
}

/** What it costs that the native codec is not there to be bundled; null: it is. */
export function codecNote(architecture: Architecture): string | null {
  const folder = addonFolder(architecture);
  if (existsSync(`${folder}/outerloop.glibc.node`)) return null;
  const target = folder.slice(folder.indexOf("/") + 1);
  return (
    `${folder} has no native codec, so the functions get the TypeScript one: same bytes, about 8 times the processor ` +
    `time. \`npm run build:native -- --target ${target}\` builds it`
  );
}

/** Read at run time, so esbuild does not see them: the native codec and, for the API, the page. */
export function copiedFiles(name: FunctionName, architecture: Architecture = "x86_64"): CopiedFile[] {
  const folder = addonFolder(architecture);
  const codec = existsSync(folder) ? [{ from: folder, to: folder }] : [];
  if (name !== "api") return codec;
  return [
    ...codec,
    { from: "functions/api/page", to: MODULES },
    { from: "node_modules/uplot/package.json", to: "node_modules/uplot/package.json" },
    { from: "node_modules/uplot/dist", to: "node_modules/uplot/dist" },
  ];
}

/** The version whose options {@link esbuildOptions} repeats. With another one, compare them first. */
export const SST_VERSION = "4.17.1";

/**
 * What SST passes to esbuild for these settings (`pkg/runtime/node/build.go`): the bundle is `bundle.mjs` at the root of
 * the function's folder, and its handler is called `bundle.handler`.
 */
export function esbuildOptions(name: FunctionName, folder: string): BuildOptions {
  return {
    entryPoints: [entries[name]],
    outfile: `${folder}/bundle.mjs`,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "es2024",
    mainFields: ["module", "main"],
    keepNames: true,
    sourcemap: "linked",
    external: ["sharp", "pg-native"],
    define: nodejs.esbuild.define,
    banner: {
      js: [
        "import { createRequire as topLevelCreateRequire } from 'module';",
        "const require = topLevelCreateRequire(import.meta.url);",
        'import { fileURLToPath as topLevelFileUrlToPath, URL as topLevelURL } from "url"',
        "const __filename = topLevelFileUrlToPath(import.meta.url)",
        'const __dirname = topLevelFileUrlToPath(new topLevelURL(".", import.meta.url))',
        nodejs.banner,
      ].join("\n"),
    },
  };
}
