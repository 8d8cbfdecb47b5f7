/**
 * What saboteurs do. The product's peer has none of these: a saboteur is a peer whose inner loop is wrapped.
 *
 * @module
 */
import type { InnerLoop } from "../../peer/inner-loop.ts";
import { signFlip } from "./sign-flip.ts";

export type Behaviour = (inner: InnerLoop) => InnerLoop;

/** By name, as `up --json` reports them. */
export const behaviours: Readonly<Record<string, Behaviour>> = {
  "sign-flip": signFlip,
};
