/**
 * Norms and clip factors, frozen in close.json before anything is scored: every later step sees the clipped update.
 * An unclipped 10x update would get the best LossScore of all in early rounds.
 *
 * @module
 */
import { restsOnEstablished, usual } from "./robust.ts";

/** Refused above this multiple of the usual norm ... */
const HIGHEST = 10;
/** ... and below this fraction of it. */
const LOWEST = 1 / 20;
/** No tensor may carry more than this multiple of its own usual norm ... */
const TENSOR_LIMIT = 4;
/** ... but one tensor alone never scales the whole update by less than this. */
const TENSOR_CLIP = 1 / 20;
/** The median moves at most by this factor from round to round. */
const MEDIAN_DRIFT = 2;

/** While too few are established, this part of the weight lies at or below the norm that is taken for usual ... */
const UNKNOWN_QUANTILE = 1 / 4;
/** ... and this part of the norms, before anybody has helped. */
const FIRST_QUANTILE = 1 / 3;

export interface MeasuredNorm {
  peer: string;
  established: boolean;
  /** The LossScore of its last update, 0 if it was not judged or did harm. */
  weight: number;
  /** f64 norm of the whole update. */
  norm: number;
  /** Norm of each tensor. */
  tensors: readonly number[];
}

/** The range outside of which an update is refused, and the norm that the others are measured by. */
export interface Yardstick {
  /** m */
  median: number;
  /** True: the median of established peers. */
  ofEstablished: boolean;
  lowest: number;
  highest: number;
}

/**
 * m: the lower median norm of established peers, held within [1/2, 2] of the last one (`previous`) that was theirs.
 *
 * While fewer than 3 are established, most keys may be one attacker's. Then each norm weighs as much as its peer
 * helped last time: tiny ones weigh next to nothing. m is the lower quartile: huge ones that help each by itself, and together go far
 * too far, must be three quarters to be taken for usual. Where nobody has helped yet all weigh the same and m is the lower third: a
 * quarter of lazy keys would else scale a whole first round to nothing, and with the median more than half of huge ones would set the
 * measure of it, help the most, and keep it. And nobody is refused, only clipped. Updates that are zero have no norm to measure others by. Null without any other.
 */
export function yardstickOf(measured: readonly MeasuredNorm[], previous: number | null): Yardstick | null {
  const samples = samplesOf(measured, ({ norm }) => norm);
  const nobodyHelpedYet = samples.every(({ weight }) => weight === 0);
  const now = usual(nobodyHelpedYet ? FIRST_QUANTILE : UNKNOWN_QUANTILE, samples);
  if (now === null) return null;
  if (!restsOnEstablished(samples))
    return { median: now, ofEstablished: false, lowest: 0, highest: Number.POSITIVE_INFINITY };
  const median =
    previous === null ? now : Math.min(MEDIAN_DRIFT * previous, Math.max(previous / MEDIAN_DRIFT, now));
  return { median, ofEstablished: true, lowest: median * LOWEST, highest: median * HIGHEST };
}

/**
 * c_p = f32(w max(1/20, min(1, 4 m_t / (w n_pt) over tensors t))) with w = min(1, m / n_p). m_t is what is usual for tensor t:
 * the median, as for m, but weighed by halves; raw tensors count as any other.
 */
export function clipFactors(measured: readonly MeasuredNorm[], median: number): Map<string, number> {
  const tensorCount = measured[0]?.tensors.length ?? 0;
  const limits = Array.from(
    { length: tensorCount },
    // A tensor that nobody touches gives no measure; the whole norm still bounds it.
    (_, t) =>
      TENSOR_LIMIT *
      (usual(
        1 / 2,
        samplesOf(measured, ({ tensors }) => tensors[t] ?? 0),
      ) ?? 0),
  );
  return new Map(
    measured.map(({ peer, norm, tensors }) => {
      const whole = norm > median ? median / norm : 1;
      const shares = tensors.map((one, t) => ((limits[t] ?? 0) > 0 ? (limits[t] ?? 0) / (whole * one) : 1));
      return [peer, Math.fround(whole * Math.max(TENSOR_CLIP, Math.min(1, ...shares)))];
    }),
  );
}

function samplesOf(measured: readonly MeasuredNorm[], normOf: (one: MeasuredNorm) => number) {
  return measured
    .map((one) => ({ value: normOf(one), weight: one.weight, established: one.established }))
    .filter(({ value }) => value > 0);
}
