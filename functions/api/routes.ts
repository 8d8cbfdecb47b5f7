/**
 * Every route as data: method, path, bodies and refusals. `/openapi.json` is made from these.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import {
  aggregateSet,
  apiError,
  commitAnswer,
  position,
  readTickets,
  readTicketsRequest,
  roundNumber,
  runId,
  runList,
  runStatus,
  stored,
  uploadTickets,
} from "../../schemas/index.ts";

const run = runId.meta({ description: "run id" });
const round = z
  .string()
  .regex(/^\d{1,8}$/)
  .transform(Number)
  .pipe(roundNumber)
  .meta({ description: "round, from 1" });
const runPath = z.object({ run });
const roundPath = z.object({ run, round });

const json = <T extends z.ZodType>(schema: T, description: string) => ({
  content: { "application/json": { schema } },
  description,
});
const refused = json(apiError, "refused: a stable code, and what to do");
export const refusals = {
  400: refused,
  401: refused,
  403: refused,
  404: refused,
  409: refused,
  410: refused,
  413: refused,
};
/** The stored form of a signed object, in RFC 8785 bytes; see docs/protocol.md. Verified by hand, byte for byte. */
const signedObject = {
  body: {
    required: true,
    content: {
      "application/json": {
        schema: z.object({
          body: z.record(z.string(), z.unknown()),
          // The bound comes first: a stranger's list must not be looked at element by element.
          signatures: z.array(z.object({ key: z.string(), signature: z.string() })).max(8, { abort: true }),
        }),
      },
    },
  },
};

export const routes = {
  runs: createRoute({
    method: "get",
    path: "/runs",
    summary: "Runs in this bucket, oldest first",
    responses: { 200: json(runList, "run ids") },
  }),
  status: createRoute({
    method: "get",
    path: "/runs/{run}",
    summary: "The picture of a run: phase, what it waits for, standings, history",
    request: { params: runPath },
    responses: { 200: json(runStatus, "status"), ...refusals },
  }),
  position: createRoute({
    method: "get",
    path: "/runs/{run}/position",
    summary:
      "Where the run is: what peers poll; held back for a while as long as it is the one they have seen",
    request: { params: runPath, query: z.object({ seen: z.string().max(40).optional() }) },
    responses: { 200: json(position, "open round and last manifest, a hint"), ...refusals },
  }),
  register: createRoute({
    method: "post",
    path: "/runs/{run}/peers",
    summary: "Join: no whitelist",
    request: { params: runPath, ...signedObject },
    responses: { 200: json(stored, "stored"), ...refusals },
  }),
  announce: createRoute({
    method: "post",
    path: "/runs/{run}/rounds/{round}/intents",
    summary: "I train in this round, on top of this manifest",
    request: { params: roundPath, ...signedObject },
    responses: { 200: json(stored, "stored"), ...refusals },
  }),
  commit: createRoute({
    method: "post",
    path: "/runs/{run}/rounds/{round}/commits",
    summary: "Bind yourself to a payload; answered with an acknowledgement and pinned upload tickets",
    request: { params: roundPath, ...signedObject },
    responses: { 200: json(commitAnswer, "acknowledged"), ...refusals },
  }),
  tickets: createRoute({
    method: "post",
    path: "/runs/{run}/rounds/{round}/tickets",
    summary: "Fresh upload tickets for a commit that stands",
    request: { params: roundPath },
    responses: { 200: json(uploadTickets, "tickets"), ...refusals },
  }),
  readTickets: createRoute({
    method: "post",
    path: "/runs/{run}/read-tickets",
    summary: "Evaluators: download tickets for submissions of closed rounds",
    request: {
      params: runPath,
      body: { required: true, content: { "application/json": { schema: readTicketsRequest } } },
    },
    responses: { 200: json(readTickets, "tickets"), ...refusals },
  }),
  report: createRoute({
    method: "post",
    path: "/runs/{run}/rounds/{round}/reports/{job}",
    summary: "Evaluators: losses of one job",
    request: { params: roundPath.extend({ job: z.string().max(16) }), ...signedObject },
    responses: { 200: json(stored, "stored"), ...refusals },
  }),
  guard: createRoute({
    method: "post",
    path: "/runs/{run}/rounds/{round}/guards/{set}",
    summary: "Evaluators: losses on the anchor batch before and after the whole outer step",
    request: { params: roundPath.extend({ set: aggregateSet }), ...signedObject },
    responses: { 200: json(stored, "stored"), ...refusals },
  }),
  heldOut: createRoute({
    method: "post",
    path: "/runs/{run}/rounds/{round}/held-out",
    summary: "Evaluators: loss on text that is never assigned",
    request: { params: roundPath, ...signedObject },
    responses: { 200: json(stored, "stored"), ...refusals },
  }),
};

/** Routes that are mounted whole, for the description. */
export const mountedRoutes = [
  { method: "post", path: "/runs/{run}/jobs/receive", summary: "Evaluators: lease jobs; see queueBodies" },
  {
    method: "post",
    path: "/runs/{run}/jobs/extend",
    summary: "Evaluators: extend a lease, or give a job back",
  },
  { method: "post", path: "/runs/{run}/jobs/ack", summary: "Evaluators: a job is done" },
  {
    method: "get",
    path: "/runs/{run}/events",
    summary: "The status after every change, as server-sent events",
  },
  { method: "get", path: "/objects/{key}", summary: "An object, public or by ticket; or the way to it" },
  { method: "put", path: "/objects/{key}", summary: "Embedded only: an upload by a pinned ticket" },
  { method: "post", path: "/events", summary: "A store that posts its notifications, by bearer token" },
] as const;
