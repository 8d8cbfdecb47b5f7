/**
 * Initial parameters as a pure function of a seed: the same bits on every machine.
 *
 * @module
 */
import { createCipheriv } from "node:crypto";
import { OuterloopError } from "../../schemas/errors.ts";
import type { ModelSpec } from "../../schemas/model.ts";
import { parameterCount, placedTensors } from "./parameters.ts";

const standardDeviation = 0.02;
const seedBytes = 32;

/**
 * Norms are 1 and everything else is drawn from N(0, 0.02^2); the projections that write to the residual
 * stream are scaled by 1/sqrt(2 layers), so that its variance does not grow with depth (Radford et al. 2019).
 */
export function initialParameters(spec: ModelSpec, seed: Uint8Array): Float32Array {
  const flat = new Float32Array(parameterCount(spec));
  const normal = normalSource(seed);
  for (const { name, shape, offset, size } of placedTensors(spec)) {
    const tensor = flat.subarray(offset, offset + size);
    if (shape.length === 1) {
      tensor.fill(1);
      continue;
    }
    const writesToResidual = name.endsWith("o_proj.weight") || name.endsWith("down_proj.weight");
    const scale = standardDeviation / (writesToResidual ? Math.sqrt(2 * spec.layers) : 1);
    for (let i = 0; i < size; i++) tensor[i] = scale * normal();
  }
  return flat;
}

const termsPerDraw = 12;
const bytesPerDraw = 2 * termsPerDraw;
const drawsPerBlock = 1024;
/** Mean of a sum of twelve integers, each uniform on 0..65535. */
const meanOfSum = (termsPerDraw * 0xffff) / 2;

/**
 * Draws of (nearly) unit normal distribution: the sum of twelve uniform 16-bit integers, less its mean, over
 * 65536 has variance 1 (Irwin-Hall). Box-Muller would need a logarithm and a cosine, whose last bits differ
 * between mathematics libraries; integer sums are exact. The integers are the keystream of AES-256-CTR.
 */
function normalSource(seed: Uint8Array): () => number {
  if (seed.length !== seedBytes) {
    throw new OuterloopError("seed-length", `expected a seed of ${seedBytes} bytes, got ${seed.length}`);
  }
  const cipher = createCipheriv("aes-256-ctr", seed, new Uint8Array(16));
  const zeros = new Uint8Array(drawsPerBlock * bytesPerDraw);
  let block = new Uint8Array(0);
  let at = 0;
  return () => {
    if (at === block.length) {
      block = new Uint8Array(cipher.update(zeros));
      at = 0;
    }
    let sum = 0;
    for (const end = at + bytesPerDraw; at < end; at += 2)
      sum += (block[at] ?? 0) + 256 * (block[at + 1] ?? 0);
    return (sum - meanOfSum) / 0x10000;
  };
}
