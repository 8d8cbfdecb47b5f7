/**
 * The API: join, announce, commit, tickets, jobs, reports, status, and the page. All state is in the bucket, so any
 * number of these may run.
 *
 * @module
 */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import {
  firstIssues,
  isPublicKey,
  keys,
  OuterloopError,
  positionTag,
  prefixes,
  runId,
} from "../../schemas/index.ts";
import { readableHead } from "../rounds/publish.ts";
import { readStatus } from "../rounds/status.ts";
import { objectRoutes } from "../storage/object-routes.ts";
import { queueRoutes } from "../storage/queue-routes.ts";
import { sendTick } from "../triggers/environment.ts";
import type { ApiEnvironment } from "./environment.ts";
import { answerError } from "./errors.ts";
import { acceptHeldOut, acceptReport, readTicketsFor, requireEvaluator } from "./evaluate.ts";
import { pageRoutes } from "./page/page.ts";
import { mountedRoutes, refusals, routes } from "./routes.ts";
import { limitBody, type SignedVariables, signedRequest } from "./signed-request.ts";
import { acceptCommit, announce, freshTickets, register } from "./submit.ts";

/** Pictures go to a page at most this often. */
const PICTURE_INTERVAL_MS = 100;
/** Without any change a page still gets a picture this often: deadlines move, and proxies close silent streams. */
const PICTURE_IDLE_MS = 5_000;

export function createApi(environment: ApiEnvironment) {
  const app = new OpenAPIHono<SignedVariables>({
    defaultHook: (result) => {
      if (!result.success) throw new OuterloopError("malformed", firstIssues(result.error));
    },
  });
  app.onError(answerError);
  app.notFound((c) =>
    c.json({ code: "no-such-route", message: `there is no ${c.req.method} ${c.req.path}` }, 404),
  );
  app.use("/runs/*", limitBody);
  app.use("/runs/:run/*", async (c, next) => {
    const run = runId.safeParse(c.req.param("run"));
    if (!run.success)
      throw new OuterloopError("malformed", `a run id ends in 32 hex digits: ${firstIssues(run.error)}`);
    await next();
  });
  app.post("/runs/*", signedRequest(environment));

  app.openapi(routes.runs, async (c) => c.json({ runs: await runsOf(environment) }, 200));
  app.openapi(routes.status, async (c) => {
    const { run } = c.req.valid("param");
    return c.json(await readStatus(await environment.run(run), environment.openRound(run)), 200);
  });
  app.openapi(routes.position, async (c) => {
    const { run } = c.req.valid("param");
    return c.json(await nextPosition(environment, run, c.req.valid("query").seen, c.req.raw.signal), 200);
  });
  app.openapi(routes.register, async (c) => {
    const context = await environment.run(c.req.valid("param").run);
    return c.json(await register(context, c.var.signer, c.var.body), 200);
  });
  app.openapi(routes.announce, async (c) => {
    const { run, round } = c.req.valid("param");
    const stored = await announce(await environment.run(run), c.var.signer, round, c.var.body);
    if (stored.outcome === "created") await sendTick(environment, run);
    return c.json(stored, 200);
  });
  app.openapi(routes.commit, async (c) => {
    const { run, round } = c.req.valid("param");
    return c.json(
      await acceptCommit(environment, await environment.run(run), c.var.signer, round, c.var.body),
      200,
    );
  });
  app.openapi(routes.tickets, async (c) => {
    const { run, round } = c.req.valid("param");
    return c.json(await freshTickets(await environment.run(run), c.var.signer, round), 200);
  });
  app.openapi(routes.readTickets, async (c) => {
    const context = await environment.run(c.req.valid("param").run);
    await requireEvaluator(context, c.var.signer, (await positionOf(environment, context.run)).round);
    return c.json(await readTicketsFor(context, c.req.valid("json").keys), 200);
  });
  app.openapi(routes.report, async (c) => {
    const { run, round, job } = c.req.valid("param");
    return c.json(await acceptReport(await environment.run(run), c.var.signer, round, job, c.var.body), 200);
  });
  app.openapi(routes.heldOut, async (c) => {
    const { run, round } = c.req.valid("param");
    return c.json(await acceptHeldOut(await environment.run(run), c.var.signer, round, c.var.body), 200);
  });

  app.use("/runs/:run/jobs/*", async (c, next) => {
    const context = await environment.run(c.req.param("run"));
    await requireEvaluator(context, c.var.signer, (await positionOf(environment, context.run)).round);
    await next();
  });
  // The body is read already, and signed: the queue's routes get it afresh.
  const jobs = new Hono().route("/runs/:run/jobs", queueRoutes({ queue: environment.jobs }));
  app.post("/runs/:run/jobs/*", (c) =>
    jobs.request(new URL(c.req.url).pathname, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: new Uint8Array(c.var.body),
    }),
  );

  app.get("/runs/:run/events", (c) => pictures(environment, c));
  for (const { method, path, summary } of mountedRoutes) {
    const params = z.object(path.includes("{run}") ? { run: z.string() } : { key: z.string() });
    app.openAPIRegistry.registerPath({
      method,
      path,
      summary,
      request: { params },
      responses: { 200: { description: "done" }, ...refusals },
    });
  }
  app.doc31("/openapi.json", {
    openapi: "3.1.0",
    info: {
      title: "Outerloop coordinator",
      version: "1",
      description: "Signed requests follow RFC 9421; see docs/protocol.md.",
    },
  });
  if (environment.ticketSecret !== undefined) {
    app.route(
      "/",
      objectRoutes({
        store: environment.store,
        ticketSecret: environment.ticketSecret,
        isPublic: isPublicKey,
      }),
    );
  }
  app.route("/", pageRoutes());
  return app;
}

async function runsOf({ store }: ApiEnvironment): Promise<string[]> {
  const runs: { run: string; at: number }[] = [];
  let after: string | undefined;
  // One object a run is enough to see it: jump from run to run instead of listing their rounds.
  for (;;) {
    const page = await store.list("public/", after === undefined ? { limit: 1 } : { after, limit: 1 });
    const [, run] = page.objects[0]?.key.split("/") ?? [];
    if (run === undefined) break;
    const genesis = await store.head(keys.genesis(run));
    if (genesis !== null) runs.push({ run, at: genesis.lastModifiedMs });
    after = `${prefixes.public(run)}\uffff`;
  }
  return runs.sort((a, b) => a.at - b.at || (a.run < b.run ? -1 : 1)).map(({ run }) => run);
}

/** The position; as long as it is the one seen already, after the next change or a while, whichever comes first. */
async function nextPosition(
  environment: ApiEnvironment,
  run: string,
  seen: string | undefined,
  client: AbortSignal,
) {
  const giveUpAt = Date.now() + 1_000 * environment.holdSeconds;
  for (;;) {
    // Listening begins before the look, so that no change falls between the two.
    const { promise: changed, resolve } = Promise.withResolvers<void>();
    const unsubscribe = environment.onChange(run, resolve);
    const timer = setTimeout(resolve, Math.max(0, giveUpAt - Date.now()));
    client.addEventListener("abort", () => resolve(), { once: true });
    try {
      const position = await positionOf(environment, run);
      if (positionTag(position) !== seen || Date.now() >= giveUpAt || client.aborted) return position;
      await changed;
    } finally {
      clearTimeout(timer);
      unsubscribe();
    }
  }
}

/** From the head, which is moved after receipts and ledger stand: whoever sees a new round finds them. */
async function positionOf(environment: ApiEnvironment, run: string) {
  const context = await environment.run(run);
  const object = await context.store.get(keys.head(run));
  const head = object === null ? null : readableHead(context, object.bytes);
  const round = head?.round ?? 1;
  return {
    round,
    manifest: head?.manifest ?? context.genesis.hash,
    rosterStands: (await context.store.head(keys.roster(run, round))) !== null,
    finished: head?.finished ?? false,
    pollAfterSeconds: environment.pollAfterSeconds,
  };
}

/** Server-sent events: the picture after every change. */
async function pictures(environment: ApiEnvironment, c: Parameters<typeof streamSSE>[0]): Promise<Response> {
  // HEAD asks for headers alone: a stream that nobody reads would never end.
  if (c.req.method === "HEAD") return c.body(null, 200, { "content-type": "text/event-stream" });
  const run = c.req.param("run") ?? "";
  const context = await environment.run(run);
  return streamSSE(c, async (stream) => {
    let wake = () => {};
    let changed = true;
    const unsubscribe = environment.onChange(run, () => {
      changed = true;
      wake();
    });
    stream.onAbort(() => {
      unsubscribe();
      wake();
    });
    try {
      while (!stream.aborted) {
        changed = false;
        await stream.writeSSE({
          event: "status",
          data: JSON.stringify(await readStatus(context, environment.openRound(run))),
        });
        await stream.sleep(PICTURE_INTERVAL_MS);
        if (changed || stream.aborted) continue;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, PICTURE_IDLE_MS);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    } finally {
      unsubscribe();
    }
  });
}
