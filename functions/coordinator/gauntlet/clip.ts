/**
 * Norms and clip factors, frozen in close.json before anything is scored: every later step sees the clipped update.
 * An unclipped 10x update would get the best LossScore of all in early rounds.
 *
 * @module
 */
import { lowerMedian, weightedQuantile } from "./robust.ts";

/** Refused above this multiple of the median norm ... */
const HIGHEST = 10;
/** ... and below this fraction of it. */
const LOWEST = 1 / 20;
/** No tensor may carry more than this multiple of its own median norm. */
const TENSOR_LIMIT = 4;
/** The median moves at most by this factor from round to round. */
const MEDIAN_DRIFT = 2;

/** Medians rest on established peers from so many on. */
const MIN_ESTABLISHED = 3;
/** Below that, this part of the weight lies at or below what is called the median. */
const UNKNOWN_QUANTILE = 1 / 4;

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

/** The range outside of which an update is refused, and the median that the others are measured by. */
export interface Yardstick {
  /** m */
  median: number;
  lowest: number;
  highest: number;
}

/**
 * m: the lower median norm of established peers, held within [1/2, 2] of last round's.
 *
 * While fewer than 3 are established, most keys may be one attacker's. Then each norm weighs as much as its peer
 * helped last time (all the same where nobody has helped yet): tiny ones weigh next to nothing. m is the lower quartile: huge
 * ones that help each by itself, and together go far too far, must be three quarters to be taken for usual. And nobody is
 * refused, only clipped. Null without submissions.
 */
export function yardstickOf(measured: readonly MeasuredNorm[], previous: number | null): Yardstick | null {
  const established = measured.filter((one) => one.established);
  if (established.length < MIN_ESTABLISHED) {
    const median = weightedQuantile(
      UNKNOWN_QUANTILE,
      measured.map(({ norm, weight }) => ({ value: norm, weight })),
    );
    return median === null ? null : { median, lowest: 0, highest: Number.POSITIVE_INFINITY };
  }
  const now = lowerMedian(established.map((one) => one.norm)) ?? 0;
  const median =
    previous === null ? now : Math.min(MEDIAN_DRIFT * previous, Math.max(previous / MEDIAN_DRIFT, now));
  return { median, lowest: median * LOWEST, highest: median * HIGHEST };
}

/**
 * c_p = f32(min(1, m / n_p, 4 m_t / n_pt over tensors t)). m_t is the median of tensor t's norms, taken as m is; raw
 * tensors count as any other.
 */
export function clipFactors(measured: readonly MeasuredNorm[], median: number): Map<string, number> {
  const tensorCount = measured[0]?.tensors.length ?? 0;
  const tensorMedians = Array.from(
    { length: tensorCount },
    (_, t) =>
      yardstickOf(
        measured.map((one) => ({ ...one, norm: one.tensors[t] ?? 0 })),
        null,
      )?.median ?? 0,
  );
  const clips = new Map<string, number>();
  for (const one of measured) {
    let clip = 1;
    if (one.norm > median) clip = median / one.norm;
    for (const [t, norm] of one.tensors.entries()) {
      const limit = TENSOR_LIMIT * (tensorMedians[t] ?? 0);
      // A tensor that most leave untouched has median 0 and gives no measure; the whole norm still bounds it.
      if (limit > 0 && norm * clip > limit) clip = limit / norm;
    }
    clips.set(one.peer, Math.fround(clip));
  }
  return clips;
}
