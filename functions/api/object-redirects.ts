/**
 * `GET /objects/{key}` where the store serves its objects itself: public ones are answered with the way there.
 *
 * @module
 */
import { Hono } from "hono";
import { isPublicKey, OuterloopError } from "../../schemas/index.ts";
import { download } from "../storage/object-download.ts";
import { toUrlPath } from "../storage/object-keys.ts";
import { keyOf } from "../storage/object-routes.ts";
import type { ObjectStore } from "../storage/object-store.ts";

/** Long enough to begin a download, too short to be worth handing on. */
const TICKET = { lifeSeconds: 5 * 60 };

/**
 * Redirects to `publicUrl` (a cache in front of the store, without a slash at the end) or, without one, to a presigned
 * request. Whether the object is there is for the store to say: 404 if not; uploads go straight to it.
 */
export function objectRedirects(store: ObjectStore, publicUrl: string | undefined): Hono {
  const app = new Hono();
  app.get("/objects/*", async (c) => {
    const key = keyOf(c);
    if (!isPublicKey(key)) {
      throw new OuterloopError("no-such-object", `${key} is not public: evaluators ask for a ticket`);
    }
    if (publicUrl !== undefined) return c.redirect(`${publicUrl}/${toUrlPath(key)}`, 307);
    // Hono brings HEAD here too, and a request signed as GET is refused as HEAD: what it asks is answered here.
    if (c.req.method === "HEAD") return download(c, store, key, false);
    const ticket = await store.presignGet(key, TICKET);
    c.header("cache-control", "no-store");
    return c.redirect(ticket.url, 307);
  });
  return app;
}
