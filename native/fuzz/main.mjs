// `npm run fuzz`: hostile bytes for the kernels (libFuzzer with AddressSanitizer and UBSan, where clang is) and for the containers, and
// odd input for the kernels and their reference.
//
//     npm run fuzz                    # 60 seconds in all
//     npm run fuzz -- --seconds 3600
//     npm run fuzz -- --only agreement
//
// A finding ends it with status 1; its input lies in native/fuzz/findings.
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
  },
});
const seconds = Number(values.seconds);
if (!(seconds >= 4)) {
  console.error(`fuzz: --seconds must be a number from 4, not "${values.seconds}"`);
  process.exit(2);
}

const kernelTargets = ["validity", "records", "compress"];
const programs = ["container", "agreement"];
const all = [...kernelTargets, ...programs];
if (values.only !== undefined && !all.includes(values.only)) {
  console.error(`fuzz: --only must be one of ${all.join(", ")}, not "${values.only}"`);
  process.exit(2);
}
const isWanted = (name) => values.only === undefined || values.only === name;

// What a compiler needs beside itself is a package of its own on some systems: only trying tells.
const canFuzz = (name) => {
  const source = 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }';
  const args = ["-x", "c++", "-", "-fsanitize=fuzzer,address,undefined", "-o", "/dev/null"];
  return spawnSync(name, args, { input: source }).status === 0;
};
const compiler = ["clang++", "clang++-19", "clang++-16", "clang++-14"].find(canFuzz);
const canFuzzKernels = compiler !== undefined && process.arch === "x64";
if (!canFuzzKernels)
  console.log(
    "fuzz: no clang++ with libFuzzer (or no x64 processor): the kernels are left out; on Debian: clang, libclang-rt-14-dev",
  );
const targets = canFuzzKernels ? kernelTargets.filter(isWanted) : [];
const wantedPrograms = programs.filter(isWanted);
const share = Math.max(1, Math.floor(seconds / (targets.length + wantedPrograms.length || 1)));
const folder = join(tmpdir(), `outerloop-fuzz-${process.pid}`);
mkdirSync(folder, { recursive: true });
try {
  if (targets.length > 0) run(process.execPath, [join(here, "seeds.ts"), folder]);
  for (const target of targets) kernels(target);
  for (const name of wantedPrograms)
    run(process.execPath, [join(here, `${name}.ts`), String(share), values.seed]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function kernels(target) {
  const flags =
    "-g -O2 -std=c++17 -ffp-contract=off -Wno-psabi -fsanitize=address,undefined -fno-sanitize-recover=all -DOUTERLOOP_HAS_AVX2";
  const sets = { portable: [], avx2: ["-mavx2", "-mbmi", "-mbmi2", "-mpopcnt", "-msse4.2"] };
  const objects = Object.entries(sets).map(([name, own]) => {
    const object = join(folder, `${name}.o`);
    run(compiler, [
      ...flags.split(" "),
      "-fsanitize=fuzzer-no-link",
      ...own,
      `-DOUTERLOOP_ISA=${name}`,
      "-c",
      join(here, "..", "kernels.cc"),
      "-o",
      object,
    ]);
    return object;
  });
  const program = join(folder, `fuzz-${target}`);
  // What is fuzzed tells the fuzzer where it was; what feeds it does not.
  const harness = join(folder, `${target}.o`);
  run(compiler, [...flags.split(" "), "-c", join(here, `${target}.cc`), "-o", harness]);
  run(compiler, [...flags.split(" "), "-fsanitize=fuzzer", harness, ...objects, "-o", program]);
  const findings = join(here, "findings");
  mkdirSync(findings, { recursive: true });
  const { status, stderr } = spawnSync(
    program,
    [
      join(folder, target),
      `-max_total_time=${share}`,
      `-seed=${values.seed}`,
      "-max_len=700",
      "-print_final_stats=1",
      `-artifact_prefix=${findings}/${target}-`,
    ],
    { encoding: "utf8" },
  );
  const executions = /number_of_executed_units:\s*(\d+)/.exec(stderr)?.[1];
  if (status !== 0) {
    console.error(stderr.split("\n").slice(-60).join("\n"));
    process.exit(1);
  }
  console.log(`${target}: ${executions} executions`);
}

function run(command, args) {
  const { status, stderr } = spawnSync(command, args, {
    stdio: ["ignore", "inherit", "pipe"],
    encoding: "utf8",
  });
  if (status === 0) return;
  console.error(stderr);
  process.exit(1);
}
