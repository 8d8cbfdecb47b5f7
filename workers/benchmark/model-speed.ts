/**
 * How fast the quick-start model trains and scores on one thread, beside the runtime's best matrix product.
 *
 * @module
 */
import { quickStartConfig } from "../local/quick-start.ts";
import {
  createLossModel,
  createTrainer,
  initialParameters,
  parameterCount,
  windowsAt,
} from "../model/index.ts";
import { createMatrixProbe } from "./matrix-probe.ts";
import { forwardFlopsPerToken, trainingFlopsPerToken } from "./model-flops.ts";
import type { ModelSpeed } from "./result.ts";
import { secondsUntil, spreadOf } from "./spread.ts";

const STEPS = 10;
const FORWARD_SEQUENCES = 64;
const LEARNING_RATE = 1e-3;

/** `repeats`: each one takes a probe, then training steps; a probe, then forward passes. */
export async function measureModel(repeats: number): Promise<ModelSpeed> {
  const config = quickStartConfig({ rounds: 1, peers: 1, deterministic: false });
  const { model, inner } = config;
  const parameters = parameterCount(model);
  const theta = initialParameters(model, new Uint8Array(32));
  const zeros = () => new Float32Array(parameters);
  const tokens = Uint16Array.from({ length: 4_096 }, (_, i) => (i * 31 + (i >> 3)) % model.vocabulary);
  const windows = (count: number) =>
    windowsAt(
      tokens,
      Array.from({ length: count }, (_, i) => (i * 53) % (tokens.length - model.sequenceLength - 1)),
      model.sequenceLength,
    );

  const probe = await createMatrixProbe();
  const trainer = await createTrainer(model, inner.optimiser, { batchSize: inner.batchSize });
  const scorer = await createLossModel(model, { batchSize: inner.batchSize });
  const probes: number[] = [];
  const training = { tokens: [] as number[], share: [] as number[] };
  const forward = { tokens: [] as number[], share: [] as number[] };
  try {
    await trainer.load({ parameters: theta, m: zeros(), v: zeros() });
    const batch = windows(inner.batchSize);
    const many = windows(FORWARD_SEQUENCES);
    let step = 1;
    const train = async (steps: number) => {
      for (let i = 0; i < steps; i++) await trainer.step(batch, LEARNING_RATE, step++);
    };
    await train(2);
    await scorer.losses(theta, many);

    for (let repeat = 0; repeat < repeats; repeat++) {
      const beforeTraining = await probe.measure();
      const stepTokens = STEPS * inner.batchSize * model.sequenceLength;
      const trained = stepTokens / (await secondsUntil(() => train(STEPS)));
      training.tokens.push(trained);
      training.share.push((trained * trainingFlopsPerToken(model)) / 1e9 / beforeTraining);

      const beforeForward = await probe.measure();
      const scoredTokens = FORWARD_SEQUENCES * model.sequenceLength;
      const scored = scoredTokens / (await secondsUntil(() => scorer.losses(theta, many)));
      forward.tokens.push(scored);
      forward.share.push((scored * forwardFlopsPerToken(model)) / 1e9 / beforeForward);
      probes.push(beforeTraining, beforeForward);
    }
  } finally {
    await Promise.all([trainer.close(), scorer.close(), probe.close()]);
  }
  return {
    parameters,
    sequenceLength: model.sequenceLength,
    batchSize: inner.batchSize,
    trainingFlopsPerToken: trainingFlopsPerToken(model),
    matrixProbeGigaflops: spreadOf(probes),
    trainingTokensPerSecond: spreadOf(training.tokens),
    trainingShareOfProbe: spreadOf(training.share),
    forwardTokensPerSecond: spreadOf(forward.tokens),
    forwardShareOfProbe: spreadOf(forward.share),
  };
}
