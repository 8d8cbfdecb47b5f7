// Compiles the native codec: one compiler, one line, no node-gyp. Runs after `npm install` (with --if-needed) and
// on Node 20 too. A machine without a compiler still gets a working, slower Outerloop, so an install never fails here.
// `--target linux-arm64` (or linux-x64) compiles for another machine, such as the one that functions will run on; asked
// for by name, it fails if it cannot be had.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Debian's names; elsewhere the same compilers are called by the same triplets. */
const crossCompilers = {
  "linux-arm64": { command: "aarch64-linux-gnu-g++", package: "g++-aarch64-linux-gnu" },
  "linux-x64": { command: "x86_64-linux-gnu-g++", package: "g++-x86-64-linux-gnu" },
};

const flags = "-fPIC -O3 -std=c++17 -ffp-contract=off -fvisibility=hidden".split(" ");

const here = dirname(fileURLToPath(import.meta.url));
const machine = `${process.platform}-${process.arch}`;
const named = optionOf("--target");
const target = named ?? machine;
// The kernels are compiled once for each; addon.cc looks which of them the processor has.
const instructionSets = [
  { name: "portable", flags: [] },
  ...(target.endsWith("-x64")
    ? [{ name: "avx2", flags: "-mavx2 -mbmi -mbmi2 -mpopcnt -msse4.2".split(" ") }]
    : []),
];
const folder = join(here, "..", "prebuilds", target);
// What node-gyp-build, which loads it, reads from a name: with which C library it works.
const library = !target.startsWith("linux")
  ? ""
  : target === machine && existsSync("/etc/alpine-release")
    ? ".musl"
    : ".glibc";
const addon = join(folder, `outerloop${library}.node`);

const sources = readdirSync(here)
  .filter((name) => /\.(cc|h)$/.test(name) || name === "build.mjs")
  .map((name) => join(here, name));

// Stands in the addon: files that were unpacked say nothing by their dates.
const digest = createHash("sha256");
for (const source of sources.sort()) digest.update(readFileSync(source));
const stamp = digest.digest("hex");

if (process.argv.includes("--if-needed") && existsSync(addon) && readFileSync(addon).includes(stamp))
  process.exit(0);

try {
  console.log(`native codec: built${target === machine ? "" : ` for ${target}`} with ${build()}`);
} catch (error) {
  console.log(
    `native codec: not built (${error.message}); the TypeScript codec takes over: same bytes, about 8 times the time per element`,
  );
  if (named !== undefined) process.exitCode = 1;
}

/** Compiles and puts the addon in place in one step; returns the compiler's name. */
function build() {
  const { include_dir: headers } = createRequire(import.meta.url)("node-api-headers");
  const compiler = findCompiler();
  mkdirSync(folder, { recursive: true });
  const unfinished = `${addon}.${process.pid}.tmp`;
  const objects = instructionSets.map(({ name }) => `${unfinished}.${name}.o`);
  const run = (...args) => {
    const { status, stderr } = spawnSync(compiler, [...flags, ...args], { encoding: "utf8" });
    const firstError = stderr?.split("\n").find((line) => line.includes("error")) ?? "no message";
    if (status !== 0) throw new Error(`${compiler} failed: ${firstError.trim()}`);
  };
  try {
    for (const [i, { name, flags: own }] of instructionSets.entries())
      run(...own, `-DOUTERLOOP_ISA=${name}`, "-c", join(here, "kernels.cc"), "-o", objects[i]);
    const has = instructionSets.map(({ name }) => `-DOUTERLOOP_HAS_${name.toUpperCase()}`);
    const undefinedSymbols = target.startsWith("darwin") ? ["-undefined", "dynamic_lookup"] : [];
    run(
      "-shared",
      ...undefinedSymbols,
      ...has,
      `-DOUTERLOOP_STAMP="${stamp}"`,
      "-I",
      headers,
      join(here, "addon.cc"),
      ...objects,
      "-o",
      unfinished,
    );
    renameSync(unfinished, addon);
  } finally {
    for (const file of [unfinished, ...objects]) rmSync(file, { force: true });
  }
  return compiler;
}

function findCompiler() {
  const isThere = (name) => name && spawnSync(name, ["--version"]).status === 0;
  if (target === machine) {
    const found = [process.env.CXX, "c++", "g++", "clang++"].find(isThere);
    if (found) return found;
    throw new Error("no C++ compiler: tried $CXX, c++, g++, clang++");
  }
  const cross = crossCompilers[target];
  if (cross === undefined) {
    throw new Error(
      `no target ${target}: expected ${Object.keys(crossCompilers).join(" or ")}, or none for this machine`,
    );
  }
  if (isThere(cross.command)) return cross.command;
  throw new Error(`no compiler ${cross.command}: on Debian it is in the package ${cross.package}`);
}

function optionOf(option) {
  const at = process.argv.indexOf(option);
  return at < 0 ? undefined : (process.argv[at + 1] ?? "");
}
