/**
 * What the watch has seen being written: what all its parts judge by.
 *
 * @module
 */
import type { UpdateLayout } from "../../native/codec.ts";
import type { Close, Cutoff, Genesis, Manifest, Roster, RunConfig, Selection } from "../../schemas/index.ts";
import type { Fail } from "./invariants.ts";
import type { OperatorsWord } from "./operators-word.ts";
import { STORE_CLOCKS_MS } from "./services.ts";

/** The decision objects of a round, as they were first written. */
export interface RoundSeen {
  roster?: Roster;
  cutoff?: Cutoff;
  close?: Close;
  selection?: Selection;
  manifest?: Manifest;
}

export interface Seen {
  readonly run: string;
  readonly genesis: Genesis;
  readonly layout: UpdateLayout;
  readonly nowMs: () => number;
  readonly word: OperatorsWord;
  readonly fail: Fail;
  readonly round: (round: number) => RoundSeen;
}

/** Under which configuration a round runs; the genesis's before it has a roster. */
export function configOf({ genesis, word, round }: Seen, number: number): RunConfig {
  return word.configs.get(round(number).roster?.config ?? "") ?? genesis.config;
}

/** A store says when an object was written in whole seconds, rounded down. */
export const SECOND_MS = 1_000;

/** What is stored by then was there for whoever decided as of `asOfMs`. */
export function surelySeen(asOfMs: number): number {
  return asOfMs - SECOND_MS - STORE_CLOCKS_MS;
}
