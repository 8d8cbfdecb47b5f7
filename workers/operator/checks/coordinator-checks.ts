/**
 * Is a coordinator there, does it expect the name by which it is called, and has it a page?
 *
 * @module
 */
import { createApiClient } from "../../../functions/api/client.ts";
import { isOuterloopError, keys, signingKey } from "../../../schemas/index.ts";
import { type Check, failed, ok } from "./check.ts";
import type { DoctorContext } from "./context.ts";
import { sendRaw } from "./raw-request.ts";

const PATIENCE_SECONDS = 3;
/** Of the right form, and of no run. */
const NO_RUN = `doctor-${"0".repeat(32)}`;
const NO_KEY = keys.commit(NO_RUN, 1, "0".repeat(64));
/** What a stranger is told whose signature was found good; every other refusal may have come before that. */
const AFTER_VERIFICATION = ["no-such-run", "not-an-evaluator"];

const api: Check = {
  name: "coordinator answers",
  service: "coordinator",
  needs: [],
  run: async (context) => {
    const { runs } = await clientOf(context).runs();
    const newest = runs.at(-1);
    return ok(
      newest === undefined ? "it serves no run yet" : `it serves ${runs.length}, the newest is ${newest}`,
    );
  },
};

const authority: Check = {
  name: "authority",
  service: "coordinator",
  needs: [api.name],
  run: async (context) => {
    const { host } = new URL(context.coordinator ?? "");
    try {
      await clientOf(context).readTickets(NO_RUN, [NO_KEY]);
    } catch (error) {
      if (!isOuterloopError(error)) throw error;
      if (AFTER_VERIFICATION.includes(error.code)) return ok(`signatures for ${host} are accepted`);
      if (error.code === "bad-signature") {
        return failed(
          `signatures for ${host} are refused: the coordinator expects another host in them`,
          `start it with --authority ${host}, or OUTERLOOP_AUTHORITY=${host}: the name that peers call it by`,
        );
      }
      if (error.code === "stale-signature")
        return failed(error.message, "set the clocks of both machines by NTP");
      if (error.code === "service-unreachable") throw error;
      return failed(
        `expected a signed request for no run to be answered no-such-run, got ${error.code}: ${error.message}`,
        "is this URL a coordinator's, of this version, and does a proxy before it let POST through?",
      );
    }
    return failed(
      "expected a signed request for no run to be refused, it was answered",
      "is this URL a coordinator's?",
    );
  },
};

const page: Check = {
  name: "page",
  service: "coordinator",
  needs: [api.name],
  run: async ({ coordinator = "" }) => {
    const { status, contentType } = await sendRaw({ method: "GET", url: `${coordinator}/` });
    return status === 200 && contentType.startsWith("text/html")
      ? ok(`${coordinator}/`)
      : failed(
          `expected a page at ${coordinator}/, got ${status} ${contentType}`,
          "is this URL the coordinator's?",
        );
  },
};

/** Of the coordinator that was named. */
export const coordinatorChecks: readonly Check[] = [api, authority, page];

function clientOf({ signal, coordinator = "" }: DoctorContext) {
  return createApiClient({ coordinator, key: signingKey(), signal, patienceSeconds: PATIENCE_SECONDS });
}
