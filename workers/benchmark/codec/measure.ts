/**
 * `npm run bench -- codec`: how near the codec is to what this machine's memory allows, and to what others would use.
 *
 * Every repeat takes each baseline a moment before what is measured against it; a figure is the median of its ratios.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import {
  CHUNK,
  createLayout,
  loadKernels,
  loadStreams,
  recordFormat,
  shardSizeBytes,
  sharedVector,
  writeBytes,
} from "../../../native/codec.ts";
import { inLanes } from "../../../native/streaming/lanes.ts";
import { loadNow, machineAfter } from "../machine.ts";
import { secondsOf, secondsUntil, spreadOf } from "../spread.ts";
import { type Baseline, openProbe, openPython } from "./baseline-process.ts";
import { type CodecFigures, type CodecResult, codecResult, type Figure } from "./figures.ts";
import { relativeErrorsKept } from "./real-gradient.ts";

const K = 64;
const PEERS = 20;
const THREADS = 2;
/** 64 Mi elements, 256 MiB a vector: far beyond any cache. */
const CHUNKS = 16_384;
/** 4 MiB of a vector. */
const TILE_CHUNKS = 256;
/** What the streams hand to a thread at once. */
const PIECE_CHUNKS = 1_024;

/** `progress` gets what happens on the way. */
export async function measureCodecFigures(
  repeats: number,
  progress: (line: string) => void,
): Promise<CodecResult> {
  const loadBefore = loadNow();
  progress("preparing: vectors of 256 MiB, 20 payloads, baselines");
  const probe = await openProbe(CHUNKS * CHUNK);
  const python = openPython();
  try {
    const speeds = await measureSpeeds(repeats, probe, python, progress);
    progress("pseudo-gradients of the quick-start model, round by round");
    const errors = await relativeErrorsKept(K);
    progress("a compress of 1 GiB in a process of its own");
    const peaks = Array.from({ length: 3 }, peakMiB);
    const figures: CodecFigures = {
      ...speeds,
      bitsPerKeptValue: figureOf([(8 * recordFormat(K).recordBytes) / K], "bits"),
      relativeErrorKept: figureOf(errors, "of the kept values"),
      peakExtraMiB1GiB: figureOf(peaks, "MiB"),
    };
    return codecResult.parse({ machine: machineAfter(loadBefore), figures });
  } finally {
    for (const one of [probe, python]) if (typeof one !== "string") await one.close();
  }
}

type Speeds = Omit<CodecFigures, "bitsPerKeptValue" | "relativeErrorKept" | "peakExtraMiB1GiB">;

async function measureSpeeds(
  repeats: number,
  probe: Baseline | string,
  python: Baseline | string,
  progress: (line: string) => void,
): Promise<Speeds> {
  const work = prepare();
  const ratios = {
    share: [] as number[],
    overProbe: [] as number[],
    aggregate: [] as number[],
    validate: [] as number[],
    torchCompress: [] as number[],
    torchAggregate: [] as number[],
    numpy: [] as number[],
    binding: [] as number[],
  };
  const add = (to: number[], baseline: number | null, value: (baseline: number) => number) => {
    if (baseline !== null) to.push(value(baseline));
  };
  // The first repeat warms up everything and is not counted.
  for (let repeat = 0; repeat <= repeats; repeat++) {
    if (repeat === 1) for (const list of Object.values(ratios)) list.length = 0;
    progress(`codec: ${repeat} of ${repeats}`);
    const probe1 = await ask(probe, "1");
    const compress1 = work.compress1();
    add(ratios.overProbe, probe1, (ns) => compress1 / ns);
    const probe2 = await ask(probe, `${THREADS}`);
    const compress2 = await work.compress2();
    add(ratios.share, probe2, (ns) => ns / compress2);
    const aggregate2 = await work.aggregate2();
    add(ratios.aggregate, probe2, (ns) => aggregate2 / ns);
    ratios.validate.push(work.validate());
    ratios.binding.push(work.binding());
    add(ratios.torchCompress, await ask(python, `torch-compress ${THREADS}`), (ns) => ns / compress2);
    add(ratios.torchAggregate, await ask(python, `torch-aggregate ${THREADS}`), (ns) => ns / aggregate2);
    add(ratios.numpy, await ask(python, "numpy-compress"), (ns) => ns / compress1);
  }
  const noProbe = reasonOf(probe);
  const noPython = reasonOf(python);
  return {
    compressShareOfBandwidth: figureOf(ratios.share, "of the probe's bandwidth", noProbe),
    compressOverProbe1: figureOf(ratios.overProbe, "times the probe's time", noProbe),
    aggregate20OverProbe: figureOf(ratios.aggregate, "times the probe's time", noProbe),
    validateNsPerRecord: figureOf(ratios.validate, "ns"),
    compressOverTorch: figureOf(ratios.torchCompress, "times as fast", noPython),
    aggregateOverTorch: figureOf(ratios.torchAggregate, "times as fast", noPython),
    compressOverNumpy: figureOf(ratios.numpy, "times as fast", noPython),
    bindingOverhead: figureOf(ratios.binding, "of a call of 4 MiB"),
  };
}

/** Everything that is measured, in nanoseconds an element (or a record). */
function prepare() {
  const kernels = loadKernels();
  const streams = loadStreams();
  const layout = createLayout([{ name: "matrix", shape: [CHUNKS, CHUNK] }], CHUNKS);
  const elements = layout.parameters;
  const expected = { layout, shard: 0, round: 1, k: K } as const;
  const { recordBytes } = recordFormat(K);
  const delta = bell(sharedVector(elements), 1);
  const error = bell(sharedVector(elements), 2);
  const next = sharedVector(elements);
  const records = new Uint8Array(CHUNKS * recordBytes);
  const shared = new Uint8Array(new SharedArrayBuffer(CHUNKS * recordBytes));
  const object = new Uint8Array(shardSizeBytes(layout.shards[0] as (typeof layout.shards)[number], K));
  const payloads = interleaved(kernels, PIECE_CHUNKS, recordBytes);
  const factors = sharedVector(PEERS).fill(1 / PEERS);
  const tile = (vector: Float32Array, first: number, length: number) =>
    vector.subarray(first, first + length);
  /** All elements, piece by piece on background threads: two more are under way than there are threads, as in the streams. */
  async function inPieces(work: (first: number, elements: number) => Promise<number>): Promise<number> {
    const piece = PIECE_CHUNKS * CHUNK;
    const firsts = Array.from({ length: elements / piece }, (_, i) => i * piece);
    const lanes = { lanes: THREADS + 2, signal: undefined };
    const seconds = await secondsUntil(() =>
      inLanes(
        firsts,
        lanes,
        (first) => work(first, piece),
        () => {},
      ),
    );
    return (1e9 * seconds) / elements;
  }

  return {
    compress1: () => {
      const seconds = secondsOf(() => kernels.compress(delta, error, next, Math.fround(0.95), K, records));
      return (1e9 * seconds) / elements;
    },
    compress2: () =>
      inPieces((first, piece) =>
        kernels.background.compress(
          tile(delta, first, piece),
          tile(error, first, piece),
          tile(next, first, piece),
          Math.fround(0.95),
          K,
          shared.subarray((first / CHUNK) * recordBytes, ((first + piece) / CHUNK) * recordBytes),
        ),
      ),
    compressStream2: async () => {
      const vectors = { delta, error, next, beta: 0.95 };
      const seconds = await secondsUntil(() =>
        streams.compress(expected, vectors, writeBytes(object), { threads: THREADS }),
      );
      return (1e9 * seconds) / elements;
    },
    aggregate2: () =>
      inPieces((first, piece) =>
        kernels.background.aggregate(
          payloads,
          K,
          factors,
          1,
          tile(error, first, piece),
          tile(next, first, piece),
        ),
      ),
    validate: () => {
      const times = 8;
      const seconds = secondsOf(() => {
        for (let i = 0; i < times; i++)
          if (kernels.findInvalid(records, K, elements, 1) !== -1)
            throw new Error("records that are not valid");
      });
      return (1e9 * seconds) / (times * CHUNKS);
    },
    binding: () => {
      const [none, noRecords] = [new Float32Array(0), new Uint8Array(0)];
      const calls = 10_000;
      const empty = secondsOf(() => {
        for (let i = 0; i < calls; i++) kernels.compress(none, none, none, 0.5, K, noRecords);
      });
      const per = TILE_CHUNKS * CHUNK;
      const own = records.subarray(0, TILE_CHUNKS * recordBytes);
      const full = secondsOf(() => {
        for (let i = 0; i < 8; i++)
          kernels.compress(
            tile(delta, i * per, per),
            tile(error, i * per, per),
            tile(next, i * per, per),
            0.5,
            K,
            own,
          );
      });
      return empty / calls / (full / 8);
    },
  };
}

/** Records of 20 peers, chunk-major, in shared memory. */
function interleaved(
  kernels: ReturnType<typeof loadKernels>,
  chunks: number,
  recordBytes: number,
): Uint8Array {
  const all = new Uint8Array(new SharedArrayBuffer(chunks * PEERS * recordBytes));
  const zeros = new Float32Array(chunks * CHUNK);
  const own = new Uint8Array(chunks * recordBytes);
  for (let peer = 0; peer < PEERS; peer++) {
    const delta = bell(new Float32Array(chunks * CHUNK), 100 + peer);
    kernels.compress(delta, zeros, zeros.slice(), 1, K, own);
    for (let chunk = 0; chunk < chunks; chunk++)
      all.set(
        own.subarray(chunk * recordBytes, (chunk + 1) * recordBytes),
        (chunk * PEERS + peer) * recordBytes,
      );
  }
  return all;
}

/** Sums of four uniform numbers: bell-shaped, and the same every time. */
function bell<Vector extends Float32Array>(vector: Vector, seed: number): Vector {
  let state = seed;
  for (let i = 0; i < vector.length; i++) {
    let sum = 0;
    for (let j = 0; j < 4; j++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
      sum += state / 2 ** 31;
    }
    vector[i] = sum;
  }
  return vector;
}

function peakMiB(): number {
  const script = fileURLToPath(new URL("peak-memory.ts", import.meta.url));
  const { stdout, status } = spawnSync(process.execPath, [script], { encoding: "utf8" });
  if (status !== 0) throw new Error("the process that measures memory failed");
  return Number(stdout);
}

async function ask(baseline: Baseline | string, line: string): Promise<number | null> {
  return typeof baseline === "string" ? null : baseline.ask(line);
}

function reasonOf(baseline: Baseline | string): string {
  return typeof baseline === "string" ? baseline : "not there";
}

function figureOf(values: readonly number[], unit: string, reason = "not measured"): Figure {
  if (values.length === 0) return { value: null, reason };
  const { min, median, max } = spreadOf(values);
  return { value: median, min, max, unit };
}
