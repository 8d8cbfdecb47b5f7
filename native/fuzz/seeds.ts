/**
 * Sound inputs for the fuzz targets to begin with: a file each.
 *
 *     node native/fuzz/seeds.ts FOLDER      # FOLDER/validity, FOLDER/records, FOLDER/compress
 *
 * @module
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CHUNK, KEEP_COUNTS } from "../codec.ts";
import { referenceKernels } from "../kernels.ts";
import { recordFormat } from "../record.ts";
import { type OddInput, oddValues } from "../testing.ts";

const [folder = "."] = process.argv.slice(2);
const kinds: OddInput["kind"][] = ["random", "ties", "denormal", "huge", "zeros", "spike", "bits"];
for (const name of ["validity", "records", "compress"]) mkdirSync(join(folder, name), { recursive: true });

/** As `Input::Choice` of `input.h` reads them. */
const choices = (...numbers: number[]) => Buffer.from(numbers.flatMap((n) => [n >> 8, n & 255]));
const save = (target: string, name: string, ...parts: Uint8Array[]) =>
  writeFileSync(join(folder, target, name), Buffer.concat(parts));

for (const [at, k] of KEEP_COUNTS.entries()) {
  for (const kind of kinds) {
    for (const elements of [10, 300, CHUNK]) {
      const delta = oddValues({ kind, seed: at, elements });
      const [error, next] = [new Float32Array(elements), new Float32Array(elements)];
      const records = new Uint8Array(recordFormat(k).recordBytes);
      referenceKernels.compress(delta, error, next, 1, k, records);
      const tail = elements === CHUNK ? [0] : [1, CHUNK - elements];
      save("validity", `k${k}-${kind}-${elements}`, choices(at, ...tail), records);
      save(
        "records",
        `k${k}-${kind}-${elements}`,
        choices(at, elements === CHUNK ? 1008 : elements - 1, 0),
        records,
      );
    }
    const few = oddValues({ kind, seed: at, elements: 40 });
    save(
      "compress",
      `k${k}-${kind}`,
      choices(at, 0, 10, kinds.indexOf(kind) % 2),
      new Uint8Array(few.buffer),
    );
  }
}
