/**
 * The API: join, announce, commit, tickets, jobs, reports, status, and the page. All state is in the bucket, so any
 * number of these may run.
 *
 * @module
 */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import { firstIssues, isPublicKey, OuterloopError, type RunStatus, runId } from "../../schemas/index.ts";
import { runsOf } from "../rounds/runs.ts";
import { readStatus } from "../rounds/status.ts";
import { notificationRoutes } from "../storage/notification-routes.ts";
import { objectRoutes } from "../storage/object-routes.ts";
import { queueRoutes } from "../storage/queue-routes.ts";
import { sendTick } from "../triggers/environment.ts";
import type { ApiEnvironment } from "./environment.ts";
import { answerError } from "./errors.ts";
import { acceptGuard, acceptHeldOut, acceptReport, readTicketsFor, requireEvaluator } from "./evaluate.ts";
import { jobsOf } from "./jobs.ts";
import { objectRedirects } from "./object-redirects.ts";
import { pageRoutes } from "./page/page.ts";
import { createPositions } from "./position.ts";
import { mountedRoutes, refusals, routes } from "./routes.ts";
import { sharedLook } from "./shared-look.ts";
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
  const positions = createPositions(environment);
  const picture = sharedLook(async (run) =>
    readStatus(await environment.run(run), environment.openRound(run)),
  );
  app.onError(answerError);
  app.notFound((c) =>
    c.json({ code: "no-such-route", message: `there is no ${c.req.method} ${c.req.path}` }, 404),
  );
  app.use(async (c, next) => {
    await next();
    if (c.res.status < 500) return;
    // Whoever asked hears what to do; what was wrong, the operator must hear.
    const error = c.error ?? (await c.res.clone().text()).slice(0, 1_000);
    environment.log("error", `${c.req.method} ${c.req.path} was answered ${c.res.status}: ${error}`, {
      error,
    });
  });
  app.use("/runs/*", limitBody);
  app.use("/runs/:run/*", async (c, next) => {
    const run = runId.safeParse(c.req.param("run"));
    if (!run.success)
      throw new OuterloopError("malformed", `a run id ends in 32 hex digits: ${firstIssues(run.error)}`);
    await next();
  });
  app.post("/runs/*", signedRequest(environment));

  app.openapi(routes.runs, async (c) => c.json({ runs: await runsOf(environment.store) }, 200));
  app.openapi(routes.status, async (c) => {
    const { run } = c.req.valid("param");
    return c.json(await picture(run), 200);
  });
  app.openapi(routes.position, async (c) => {
    const { run } = c.req.valid("param");
    return c.json(await positions.next(run, c.req.valid("query").seen, c.req.raw.signal), 200);
  });
  app.openapi(routes.register, async (c) => {
    const context = await environment.run(c.req.valid("param").run);
    return c.json(await register(context, c.var.signer, c.var.body), 200);
  });
  app.openapi(routes.announce, async (c) => {
    const { run, round } = c.req.valid("param");
    const stored = await announce(await environment.run(run), c.var.signer, round, c.var.body);
    if (stored.outcome === "created") await sendTick(environment.ticks, run);
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
    await requireEvaluator(context, c.var.signer, (await positions.now(context.run)).round);
    return c.json(await readTicketsFor(context, c.req.valid("json").keys), 200);
  });
  app.openapi(routes.report, async (c) => {
    const { run, round, job } = c.req.valid("param");
    const stored = await acceptReport(await environment.run(run), c.var.signer, round, job, c.var.body);
    if (stored.outcome === "created") await sendTick(environment.ticks, run);
    return c.json(stored, 200);
  });
  app.openapi(routes.guard, async (c) => {
    const { run, round, set } = c.req.valid("param");
    const stored = await acceptGuard(await environment.run(run), c.var.signer, round, set, c.var.body);
    if (stored.outcome === "created") await sendTick(environment.ticks, run);
    return c.json(stored, 200);
  });
  app.openapi(routes.heldOut, async (c) => {
    const { run, round } = c.req.valid("param");
    return c.json(await acceptHeldOut(await environment.run(run), c.var.signer, round, c.var.body), 200);
  });

  app.use("/runs/:run/jobs/*", async (c, next) => {
    const context = await environment.run(c.req.param("run"));
    await requireEvaluator(context, c.var.signer, (await positions.now(context.run)).round);
    await next();
  });
  // The body is read already, and signed: the queue's routes get it afresh.
  app.post("/runs/:run/jobs/:operation", (c) =>
    queueRoutes({ queue: jobsOf(c.req.param("run"), environment) }).request(`/${c.req.param("operation")}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: new Uint8Array(c.var.body),
    }),
  );

  app.get("/runs/:run/events", (c) => pictures(environment, picture, c));
  for (const { method, path, summary } of mountedRoutes) {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => [name, z.string()] as const);
    const params = z.object(Object.fromEntries(names));
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
  app.route("/", objectsOf(environment));
  if (environment.notifications !== undefined) {
    app.route("/", notificationRoutes(environment.notifications));
  }
  app.route("/", pageRoutes());
  return app;
}

function objectsOf({ store, objects, now = Date.now }: ApiEnvironment): Hono {
  return objects.kind === "served"
    ? objectRoutes({ store, ticketSecret: objects.ticketSecret, now, isPublic: isPublicKey })
    : objectRedirects(store, objects.publicUrl);
}

/** Server-sent events: the picture after every change. */
async function pictures(
  environment: ApiEnvironment,
  picture: (run: string) => Promise<RunStatus>,
  c: Parameters<typeof streamSSE>[0],
): Promise<Response> {
  // HEAD asks for headers alone: a stream that nobody reads would never end.
  if (c.req.method === "HEAD") return c.body(null, 200, { "content-type": "text/event-stream" });
  const run = c.req.param("run") ?? "";
  await environment.run(run);
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
          retry: PICTURE_IDLE_MS,
          data: JSON.stringify(await picture(run)),
        });
        if (environment.holdSeconds === 0) return;
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
