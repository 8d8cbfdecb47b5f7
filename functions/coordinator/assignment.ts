/**
 * Who trains what: the training text is cut into windows at an offset drawn each round, a drawn permutation orders
 * them, and the peer at roster position p owns places p*H*B .. (p+1)*H*B - 1. The pool a peer is assigned is exactly
 * what it must train, so a later evaluation on assigned data hits trained data.
 *
 * @module
 */
import type { DataIndex, RunConfig } from "../../schemas/index.ts";
import { Draw, permutation } from "./draws.ts";

/** The windows of one round. A window is named by its number; sequence = tokens start .. start + T (T + 1 tokens). */
export interface RoundWindows {
  readonly count: number;
  /** First token of a window, in the numbering of the whole data set. */
  firstToken(window: number): number;
  /** Windows the peer at a roster position trains, in order: step s uses places s*B .. s*B + B - 1. */
  assigned(position: number): number[];
  /** Windows nobody is assigned this round; the anchor batch comes from here. */
  unassigned(place: number): number;
  readonly unassignedCount: number;
}

/** Draws the windows of a round from the seed that its roster reveals. */
export function roundWindows(
  seed: string,
  data: DataIndex,
  config: RunConfig,
  rosterSize: number,
): RoundWindows {
  const length = config.model.sequenceLength;
  const offset = new Draw(seed, "window-offset").integer(length);
  const count = Math.floor((data.train.end - data.train.start - 1 - offset) / length);
  const perPeer = config.inner.steps * config.inner.batchSize;
  // With more peers than the text has windows for, several peers share windows; the anchor is still kept apart.
  const reserved = Math.min(config.gauntlet.anchorSequences, Math.floor(count / 2));
  const assignable = Math.max(1, Math.min(count - reserved, rosterSize * perPeer));
  const at = permutation(seed, "windows", count);
  return {
    count,
    firstToken: (window) => data.train.start + offset + window * length,
    assigned: (position) =>
      Array.from({ length: perPeer }, (_, i) => at((position * perPeer + i) % assignable)),
    unassigned: (place) => at(assignable + place),
    unassignedCount: count - assignable,
  };
}

/** Windows of the anchor batch: drawn by the close's seed from what nobody was assigned. */
export function anchorWindows(closeSeed: string, windows: RoundWindows, sequences: number): number[] {
  const draw = new Draw(closeSeed, "anchor");
  return draw
    .distinct(Math.min(sequences, windows.unassignedCount), windows.unassignedCount)
    .map(windows.unassigned);
}

/** Windows that one evaluator alone draws, from what nobody was assigned: another's losses on them are no use to it. */
export function privateWindows(
  closeSeed: string,
  evaluator: string,
  windows: RoundWindows,
  sequences: number,
): number[] {
  if (windows.unassignedCount === 0) return [];
  const draw = new Draw(closeSeed, `private/${evaluator}`);
  return Array.from({ length: sequences }, () => windows.unassigned(draw.integer(windows.unassignedCount)));
}

/** A few of an owner's assigned windows, drawn by the close's seed. */
export function ownedWindows(
  closeSeed: string,
  peer: string,
  windows: RoundWindows,
  position: number,
  sequences: number,
): number[] {
  const pool = windows.assigned(position);
  const draw = new Draw(closeSeed, `owned/${peer}`);
  return draw.distinct(Math.min(sequences, pool.length), pool.length).map((place) => pool[place] as number);
}

/** First tokens of the held-out windows: the same in every round, evenly spread over the held-out text. */
export function heldOutTokens(data: DataIndex, config: RunConfig): number[] {
  const length = config.model.sequenceLength;
  const available = data.heldOut.end - data.heldOut.start - 1 - length;
  const wanted = Math.min(config.heldOut.windows, Math.max(1, available));
  return Array.from({ length: wanted }, (_, i) => data.heldOut.start + Math.floor((i * available) / wanted));
}
