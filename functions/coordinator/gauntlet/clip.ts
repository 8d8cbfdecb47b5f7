/**
 * Norms and clip factors, frozen in close.json before anything is scored: every later step sees the clipped update.
 * An unclipped 10x update would get the best LossScore of all in early rounds.
 *
 * @module
 */
import { lowerMedian } from "./robust.ts";

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

export interface MeasuredNorm {
  peer: string;
  established: boolean;
  /** f64 norm of the whole update. */
  norm: number;
  /** Norm of each tensor. */
  tensors: readonly number[];
}

/**
 * Whose norms the others are measured by: established peers, once there are three of them. A majority of new keys with
 * tiny or huge updates must not decide what is usual.
 */
function yardstick(measured: readonly MeasuredNorm[]): readonly MeasuredNorm[] {
  const established = measured.filter((one) => one.established);
  return established.length >= MIN_ESTABLISHED ? established : measured;
}

/**
 * m: the lower median norm over established peers (over all while fewer than 3 are established), held within
 * [1/2, 2] of last round's. Null without submissions.
 */
export function medianNorm(measured: readonly MeasuredNorm[], previous: number | null): number | null {
  const median = lowerMedian(yardstick(measured).map((one) => one.norm));
  if (median === null || previous === null) return median;
  return Math.min(MEDIAN_DRIFT * previous, Math.max(previous / MEDIAN_DRIFT, median));
}

/** The range outside of which an update is refused. */
export function normRange(median: number): { lowest: number; highest: number } {
  return { lowest: median * LOWEST, highest: median * HIGHEST };
}

/**
 * c_p = f32(min(1, m / n_p, 4 m_t / n_pt over tensors t)). m_t is the lower median of tensor t, over established peers as
 * m is; raw tensors count as any other.
 */
export function clipFactors(measured: readonly MeasuredNorm[], median: number): Map<string, number> {
  const tensorCount = measured[0]?.tensors.length ?? 0;
  const tensorMedians = Array.from(
    { length: tensorCount },
    (_, t) => lowerMedian(yardstick(measured).map((one) => one.tensors[t] ?? 0)) ?? 0,
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
