/**
 * `GET /objects/{key}` where the store serves its objects itself: public ones are answered with the way there.
 *
 * @module
 */
import { Hono } from "hono";
import { isPublicKey, OuterloopError } from "../../schemas/index.ts";
import { toUrlPath } from "../storage/object-keys.ts";
import { keyOf } from "../storage/object-routes.ts";
import type { ObjectStore } from "../storage/object-store.ts";

/** Long enough to begin a download, too short to be worth handing on. */
const TICKET_MS = 5 * 60 * 1_000;
/** How long the difference between the store's clock and ours is taken to stand. */
const CLOCK_LASTS_MS = 60_000;

/**
 * Redirects to `publicUrl` (a cache in front of the store, without a slash at the end) or, without one, to a presigned
 * request. Whether the object is there is for the store to say: 404 if not. Uploads go straight to the store.
 */
export function objectRedirects(store: ObjectStore, publicUrl: string | undefined): Hono {
  const app = new Hono();
  const storeNow = storeClock(store);
  app.get("/objects/*", async (c) => {
    const key = keyOf(c);
    if (!isPublicKey(key)) {
      throw new OuterloopError("no-such-object", `${key} is not public: evaluators ask for a ticket`);
    }
    if (publicUrl !== undefined) return c.redirect(`${publicUrl}/${toUrlPath(key)}`, 307);
    const ticket = await store.presignGet(key, { expiresAtMs: (await storeNow()) + TICKET_MS });
    c.header("cache-control", "no-store");
    return c.redirect(ticket.url, 307);
  });
  return app;
}

/** The store's time, asked for once a minute: a question for every redirect would double their price. */
function storeClock(store: ObjectStore): () => Promise<number> {
  let aheadMs = 0;
  let askedAtMs = Number.NEGATIVE_INFINITY;
  return async () => {
    if (Date.now() - askedAtMs > CLOCK_LASTS_MS) {
      aheadMs = (await store.now()) - Date.now();
      askedAtMs = Date.now();
    }
    return Date.now() + aheadMs;
  };
}
