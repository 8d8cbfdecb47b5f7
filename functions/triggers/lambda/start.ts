/**
 * The start of a function: whatever keeps it from starting, and what it will run with, is said in its log.
 *
 * @module
 */
import { codecNote, loadCodec } from "../../../native/codec.ts";
import { log, requestId } from "./log.ts";

/** What of Lambda's context is used here. */
export interface Invocation {
  awsRequestId: string;
}

type Handler<Event, Answer> = (event: Event, invocation: Invocation) => Promise<Answer>;

/**
 * Opens what a function works with, once for all its invocations, and returns its handler. Lambda counts a failed start
 * or invocation as an error and tries again; both are logged first, because of a start it tells the bare message only.
 */
export async function start<Event, Answer>(
  name: string,
  open: () => Handler<Event, Answer> | Promise<Handler<Event, Answer>>,
): Promise<Handler<Event, Answer>> {
  const handle = await failing(`${name} cannot start`, async () => {
    const opened = await open();
    sayReady(name);
    return opened;
  });
  return (event, invocation) =>
    requestId.run(invocation.awsRequestId, () => failing(`${name} failed`, () => handle(event, invocation)));
}

async function failing<T>(what: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    log("error", `${what}: ${String(error)}`, { error });
    throw error;
  }
}

function sayReady(name: string): void {
  const { backend } = loadCodec();
  const fields = { function: name, codec: backend, node: process.version, architecture: process.arch };
  log("info", `${name} is ready`, { ...fields, startMs: Math.round(performance.now()) });
  if (backend === "native") return;
  log(
    "warning",
    `work on shards takes about 8 times the processor time per element: ${codecNote() ?? "OUTERLOOP_CODEC says so"}`,
    fields,
  );
}
