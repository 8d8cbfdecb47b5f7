/**
 * Does this machine agree with the store on the time, and how far away is it?
 *
 * @module
 */

import { queueName } from "../../../functions/storage/sqs-queues.ts";
import { findQueue } from "../queues.ts";
import { BUCKET, STORE } from "./access-checks.ts";
import { type Check, type Finding, failed, ok, warning } from "./check.ts";
import { type DoctorContext, scratch, someBytes, urlOf } from "./context.ts";
import { sendRaw } from "./raw-request.ts";

const NOTICEABLE_SECONDS = 2;
const HARMFUL_SECONDS = 60;
const SAMPLES = 5;
const REQUESTS = 10;

/** Asked without a signature, for a wrong clock is a reason to be refused. */
export const clockCheck: Check = {
  name: "clock",
  service: "store",
  needs: [STORE],
  run: async (context) => {
    const skews: number[] = [];
    for (let sample = 0; sample < SAMPLES; sample++) skews.push(await skewOf(context));
    return judgeSkew(median(skews));
  },
};

/** Seconds that the store is ahead of this machine. */
export async function skewOf(context: Pick<DoctorContext, "storage" | "now">): Promise<number> {
  const before = context.now();
  const { dateMs } = await sendRaw({ method: "GET", url: urlOf(context) });
  // The date of an answer is cut to a whole second: on average the store was half a second further.
  return (dateMs + 500 - (before + context.now()) / 2) / 1_000;
}

/** The judgement on a difference between two clocks, in seconds. */
export function judgeSkew(aheadSeconds: number): Finding {
  if (Number.isNaN(aheadSeconds)) {
    return failed(
      "the store's answers have no Date",
      "rounds go by the store's clock: use a store that tells it",
    );
  }
  const apart = Math.abs(aheadSeconds);
  const where = aheadSeconds > 0 ? "ahead of" : "behind";
  const detail = `the store is ${apart.toFixed(1)} s ${where} this machine`;
  if (apart <= NOTICEABLE_SECONDS) return ok(detail);
  const advice = "set this machine's clock by NTP (chrony, systemd-timesyncd)";
  if (apart <= HARMFUL_SECONDS) {
    return warning(
      `${detail}: deadlines go by the store's clock, so what this machine plans and shows is that much off`,
      advice,
    );
  }
  return failed(
    `${detail}: signed requests to the coordinator live 60 s and are refused when its clock is off by more, the store ` +
      "refuses those of a clock 15 minutes off, and every deadline shown here is wrong",
    advice,
  );
}

export const latencyCheck: Check = {
  name: "latency",
  service: "store",
  needs: [BUCKET],
  run: async (context) => {
    const { store, sqs, storage } = context;
    const key = (number: number) => `${scratch(context).sealed}latency-${number}`;
    const write = await medianMs((number) => store.putIfAbsent(key(number), someBytes(context, `${number}`)));
    const read = await medianMs((number) => store.get(key(number)));
    const queue = await medianMs(() => findQueue(sqs, queueName(storage.name, "ticks"))).catch(() => null);
    // Finding a queue takes two requests.
    const queueText = queue === null ? "" : `, queue request ${(queue / 2).toFixed(1)} ms`;
    return ok(`conditional write ${write.toFixed(1)} ms, read ${read.toFixed(1)} ms${queueText} (medians)`);
  },
};

async function medianMs(request: (number: number) => Promise<unknown>): Promise<number> {
  const took: number[] = [];
  for (let number = 0; number < REQUESTS; number++) {
    const startedMs = performance.now();
    await request(number);
    took.push(performance.now() - startedMs);
  }
  return median(took);
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
