// `npm pack` ships JavaScript: Node strips no types within node_modules. Before packing, this writes a `.mjs` beside each module;
// afterwards, with --remove, it takes them away again. What starts the program prefers the TypeScript where it is.
import { globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";

const sources = globSync("{functions,native,schemas,workers}/**/*.ts").filter(
  (path) =>
    !/\.test\.ts$|\.d\.ts$|\/testing\/|\/testing\.ts$|^native\/fuzz\/|^workers\/benchmark\//.test(path),
);

for (const source of sources) {
  const target = source.replace(/\.ts$/, ".mjs");
  if (process.argv.includes("--remove")) rmSync(target, { force: true });
  else writeFileSync(target, javascriptOf(readFileSync(source, "utf8")));
}

/** Types removed, and the modules beside it by their new names: in imports, and in the URLs of worker threads. */
function javascriptOf(typescript) {
  const stripped = stripTypeScriptTypes(typescript);
  return stripped.replace(/(["'])(\.{1,2}\/[^"'\n]+)\.ts\1/g, "$1$2.mjs$1");
}
