/**
 * `outerloop peer`: one peer in one process.
 *
 * @module
 */
import { join } from "node:path";
import { createApiClient } from "../../functions/api/client.ts";
import { chooseRun } from "../replica/run-view.ts";
import { loadTokens } from "../replica/tokens.ts";
import { type Report, reportToParent, reportToTerminal } from "./events.ts";
import { lockFolder } from "./folder-lock.ts";
import { loadIdentity } from "./identity.ts";
import { createInnerLoop, type InnerLoop } from "./inner-loop.ts";
import { runPeer } from "./peer.ts";
import { openPeerStateStore } from "./peer-state.ts";

export interface WorkerCommandOptions {
  coordinator: string;
  run: string | undefined;
  dataDir: string;
}

/** Runs until the run is finished or the process is told to stop. `wrap` is for saboteurs; the product has none. */
export async function peerCommand(
  options: WorkerCommandOptions,
  signal: AbortSignal,
  wrap: (inner: InnerLoop) => InnerLoop = (inner) => inner,
): Promise<void> {
  const lock = await lockFolder(options.dataDir, "peer");
  const key = await loadIdentity(options.dataDir);
  const api = createApiClient({ coordinator: options.coordinator, key, signal });
  const run = await chooseRun(api, options.run);
  await runPeer({
    api,
    run,
    key,
    store: await openPeerStateStore(join(options.dataDir, "state"), run),
    innerLoop: async (view) => {
      const tokens = await loadTokens(view, join(options.dataDir, "data"));
      return wrap(await createInnerLoop(view.genesis.body.config, tokens));
    },
    report: reporter(),
    signal,
  });
  await lock.release();
}

/** To the process that started this one, if it listens; else to the terminal. */
export function reporter(): Report {
  return process.channel === undefined ? reportToTerminal : reportToParent;
}
