/**
 * Middleware: the request is signed, and by whom. Handlers find the signer in `c.var.signer` and the body, already
 * read, in `c.var.body`.
 *
 * @module
 */
import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import { OuterloopError } from "../../schemas/index.ts";
import type { ApiEnvironment } from "./environment.ts";
import { requireSignature, verifyRequest } from "./request-signatures.ts";

/** A commit over the most shards a run may have stays below this. */
export const MAX_BODY_BYTES = 16 * 1024 * 1024;

export interface SignedVariables {
  Variables: { signer: string; body: Uint8Array };
}

/** Refuses bodies over the limit before they are held in memory. */
export const limitBody = bodyLimit({
  maxSize: MAX_BODY_BYTES,
  onError: () => {
    throw new OuterloopError("body-too-large", `a request body may have ${MAX_BODY_BYTES} bytes at most`);
  },
});

export function signedRequest(environment: ApiEnvironment) {
  return createMiddleware<SignedVariables>(async (c, next) => {
    // Before anything is read: a stranger without a signature gets no memory.
    requireSignature(c.req.header());
    const body = new Uint8Array(await c.req.arrayBuffer());
    const { method, url } = c.req.raw;
    const request = { method, url, headers: c.req.header(), body };
    const signer = await verifyRequest(request, environment.authority, environment.now?.());
    c.set("signer", signer);
    c.set("body", body);
    await next();
  });
}
