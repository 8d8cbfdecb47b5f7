/**
 * The last few agreed states, so that a job about the round before does not need a download.
 *
 * @module
 */
import { OuterloopError } from "../../schemas/index.ts";
import { type AgreedParameters, downloadState, follow, newestState } from "../replica/parameters.ts";
import type { RunView } from "../replica/run-view.ts";

const KEPT_STATES = 2;

export interface ParameterWindow {
  /** Parameters after a round: kept, followed from the newest one kept, or downloaded. `not-yet`: not published. */
  after(round: number): Promise<AgreedParameters>;
  /** Follows the chain to its end, from what is kept or from the newest published state. */
  catchUp(): Promise<void>;
}

export function createParameterWindow(view: RunView): ParameterWindow {
  let kept: AgreedParameters[] = [];
  const keep = (state: AgreedParameters) => {
    const others = kept.filter(({ round }) => round !== state.round);
    kept = [...others, state].sort((a, b) => a.round - b.round).slice(-KEPT_STATES);
    return state;
  };
  /** The newest one kept, if following from it leads there; else a download. */
  const startFor = async (round: number) => {
    const newest = kept.at(-1);
    if (newest !== undefined && newest.round < round) return newest;
    return (await downloadState(view, round)) ?? (await newestState(view, round));
  };
  return {
    async catchUp() {
      const newest = kept.at(-1);
      // Without a state there is nothing to follow from before the first job says which round is open.
      if (newest === undefined) return;
      await follow(view, newest, { onStep: async ({ after }) => void keep(after) });
    },
    async after(round) {
      const known = kept.find((state) => state.round === round);
      if (known !== undefined) return known;
      const state = await follow(view, await startFor(round), { until: round });
      if (state.round === round) return keep(state);
      throw new OuterloopError("not-yet", `the parameters after round ${round} are not published yet`);
    },
  };
}
