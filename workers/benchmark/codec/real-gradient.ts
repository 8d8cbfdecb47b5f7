/**
 * A pseudo-gradient as peers send it: the quick-start model, one peer alone, with error feedback over some rounds.
 *
 * @module
 */
import { createLayout, type KeepCount, loadCodec } from "../../../native/codec.ts";
import { recordAt } from "../../../native/decode.ts";
import { piecesOf } from "../../../native/layout.ts";
import { emptyEntries, recordFormat, unpackRecord } from "../../../native/record.ts";
import { f32FromHex, tensorsOf } from "../../../schemas/index.ts";
import { mobyDick, QUICK_START_ROUNDS, quickStartConfig } from "../../local/quick-start.ts";
import { createTrainer, initialParameters, learningRateAt, windowsAt } from "../../model/index.ts";

/** As many as a quick start has: the first ones are the hardest, when few embeddings have moved. */
const ROUNDS = QUICK_START_ROUNDS;
const ALPHA = 1;

/** |value - decoded| / |value| over the values that a round keeps, for each round. */
export async function relativeErrorsKept(k: KeepCount): Promise<number[]> {
  const { model, inner, outer } = quickStartConfig({ rounds: ROUNDS, peers: 1, deterministic: false });
  const layout = createLayout(tensorsOf(model), outer.chunksPerShard);
  const beta = f32FromHex(outer.beta);
  const codec = loadCodec();
  const tokens = Uint16Array.from(mobyDick());
  const trainer = await createTrainer(model, inner.optimiser, { batchSize: inner.batchSize });
  let theta = initialParameters(model, new Uint8Array(32).fill(1));
  let [m, v, error] = [0, 1, 2].map(() => new Float32Array(layout.parameters)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  let [taken, at] = [0, 7919];
  const ratios: number[] = [];
  try {
    for (let round = 1; round <= ROUNDS; round++) {
      await trainer.load({ parameters: theta, m, v });
      for (let step = 0; step < inner.steps; step++) {
        at += 104_729 * inner.batchSize;
        const starts = Array.from(
          { length: inner.batchSize },
          (_, i) => (at + 104_729 * i) % (tokens.length - 100),
        );
        const batch = windowsAt(tokens, starts, model.sequenceLength);
        await trainer.step(batch, learningRateAt(inner.learningRate, taken), ++taken);
      }
      const trained = await trainer.read();
      ({ m, v } = trained);
      const before = theta;
      const delta = before.map((value, i) => value - (trained.parameters[i] as number));
      const next = new Float32Array(delta.length);
      const objects = codec.compressUpdate(layout, delta, error, next, { round, k, beta });
      const x = delta.map((value, i) => Math.fround((error[i] as number) * beta) + value);
      theta = before.slice();
      let [lost, kept] = [0, 0];
      for (const [shard, object] of objects.entries()) {
        const parsed = codec.parseShard(object, { layout, shard, round, k });
        codec.addScaled(parsed, -ALPHA, theta);
        const format = recordFormat(k);
        for (const { chunk, first, elements } of piecesOf(parsed.shard, 0, parsed.shard.chunks, 1)) {
          const entries = emptyEntries(format);
          unpackRecord(format, recordAt(parsed.records, format, chunk), entries);
          for (const index of entries.indices) {
            if (index >= elements) continue;
            // What is left of a kept value is what its two levels could not say.
            lost += (next[first + index] as number) ** 2;
            kept += (x[first + index] as number) ** 2;
          }
        }
      }
      ratios.push(Math.sqrt(lost / kept));
      error = next;
    }
  } finally {
    await trainer.close();
  }
  return ratios;
}
