/**
 * Tickets: presigned requests for the embedded stack, with the pins that S3's signature gives.
 *
 * A ticket is `put.{expiresAtMs}.{sizeBytes}.{sha256}.{mac}` or `get.{expiresAtMs}.{mac}`; the MAC is HMAC-SHA-256 over
 * the method, the key and those fields, one to a line (a key holds no line feed, so no two requests share a text).
 * Who holds a ticket can do that one thing until it expires; who changes a letter of it can do nothing.
 *
 * @module
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { OuterloopError } from "../../schemas/errors.ts";
import { sha256Hex } from "../../schemas/primitives.ts";
import { checkKey, toUrlPath } from "./object-keys.ts";
import type { GetPin, Ticket } from "./object-store.ts";

/** What a PUT ticket allows: these bytes, nothing longer, nothing else. */
export interface PutPin {
  sizeBytes: number;
  sha256: string;
  expiresAtMs: number;
}

export interface TicketOptions {
  /** Shared by all processes that issue or check tickets; at least 16 bytes. */
  ticketSecret: Uint8Array | string;
  /** Where `objectRoutes` is reached, without a slash at the end: `http://127.0.0.1:4321`. */
  baseUrl: string;
}

/** What a ticket turned out to be; `reason` is a stable code, `message` is for people. */
export type TicketCheck<Pin> =
  | { valid: true; pin: Pin }
  | { valid: false; reason: "ticket-missing" | "ticket-forged" | "ticket-expired"; message: string };

export interface Tickets {
  /** Issues an upload. Throws `invalid-key`, `invalid-option`, `ticket-expired`. */
  put(key: string, pin: PutPin): Ticket;
  /** Issues a download. Throws `invalid-key`, `ticket-expired`. */
  get(key: string, pin: GetPin): Ticket;
}

/** Header that a PUT must carry, as on S3: it makes the upload create-once. */
export const ONCE = { name: "if-none-match", value: "*" } as const;

/** The issuing side. */
export function createTickets(options: TicketOptions & { now: () => number }): Tickets {
  const { ticketSecret, baseUrl, now } = options;
  checkSecret(ticketSecret);
  const url = (key: string, ticket: string) => `${baseUrl}/objects/${toUrlPath(key)}?ticket=${ticket}`;
  return {
    put(key, pin) {
      checkKey(key);
      checkPin(pin);
      checkExpiry(key, pin.expiresAtMs, now());
      const fields = [pin.expiresAtMs, pin.sizeBytes, pin.sha256].map(String);
      const headers = { "content-length": String(pin.sizeBytes), [ONCE.name]: ONCE.value };
      return {
        method: "PUT",
        url: url(key, ["put", ...fields, macOf(ticketSecret, "PUT", key, fields)].join(".")),
        headers,
        expiresAtMs: pin.expiresAtMs,
      };
    },
    get(key, pin) {
      checkKey(key);
      const nowMs = now();
      const expiresAtMs = endOf(pin, nowMs);
      checkExpiry(key, expiresAtMs, nowMs);
      const fields = [String(expiresAtMs)];
      const ticket = ["get", ...fields, macOf(ticketSecret, "GET", key, fields)].join(".");
      return { method: "GET", url: url(key, ticket), headers: {}, expiresAtMs };
    },
  };
}

/** The checking side of an upload. */
export function checkPutTicket(
  secret: Uint8Array | string,
  key: string,
  ticket: string | undefined,
  nowMs: number,
): TicketCheck<PutPin> {
  const fields = fieldsOf(secret, "PUT", key, ticket, 3);
  if (!Array.isArray(fields)) return fields;
  const [expires, size, sha256 = ""] = fields;
  const pin = { expiresAtMs: Number(expires), sizeBytes: Number(size), sha256 };
  return nowMs < pin.expiresAtMs ? { valid: true, pin } : expired(pin.expiresAtMs);
}

/** The checking side of a download. */
export function checkGetTicket(
  secret: Uint8Array | string,
  key: string,
  ticket: string | undefined,
  nowMs: number,
): TicketCheck<{ expiresAtMs: number }> {
  const fields = fieldsOf(secret, "GET", key, ticket, 1);
  if (!Array.isArray(fields)) return fields;
  const pin = { expiresAtMs: Number(fields[0]) };
  return nowMs < pin.expiresAtMs ? { valid: true, pin } : expired(pin.expiresAtMs);
}

/** Throws `invalid-option` for a secret that could be guessed. */
export function checkSecret(secret: Uint8Array | string): void {
  if (Buffer.byteLength(secret) >= 16) return;
  throw new OuterloopError("invalid-option", "expected a ticket secret of at least 16 bytes");
}

/** The signed fields of a genuine ticket; the fields mean nothing before the MAC is checked. */
function fieldsOf(
  secret: Uint8Array | string,
  method: "PUT" | "GET",
  key: string,
  ticket: string | undefined,
  count: number,
): string[] | TicketCheck<never> {
  if (ticket === undefined || ticket === "") {
    const message = `expected ?ticket= with a ticket for ${method} ${key}, got none: ask the API for one`;
    return { valid: false, reason: "ticket-missing", message };
  }
  const [kind, ...rest] = ticket.split(".");
  const mac = rest.pop() ?? "";
  const genuine =
    kind === method.toLowerCase() && rest.length === count && equal(mac, macOf(secret, method, key, rest));
  if (genuine) return rest;
  const message = `this ticket was not issued for ${method} ${key}: use the URL exactly as it was issued`;
  return { valid: false, reason: "ticket-forged", message };
}

function expired(expiresAtMs: number): TicketCheck<never> {
  const message = `this ticket expired at ${new Date(expiresAtMs).toISOString()}: ask the API for another one`;
  return { valid: false, reason: "ticket-expired", message };
}

function macOf(secret: Uint8Array | string, method: string, key: string, fields: readonly string[]): string {
  const text = ["outerloop/v1/ticket", method, key, ...fields].join("\n");
  return createHmac("sha256", secret).update(text).digest("hex");
}

/** Constant time over equal lengths; the length of a MAC is no secret. */
function equal(got: string, expected: string): boolean {
  const a = Buffer.from(got);
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
}

/** `invalid-option` unless the pin names a size and a SHA-256. */
export function checkPin({ sizeBytes, sha256 }: PutPin): void {
  if (Number.isSafeInteger(sizeBytes) && sizeBytes >= 0 && sha256Hex.safeParse(sha256).success) return;
  const message = `expected a size in bytes and a SHA-256 in hex to pin, got ${sizeBytes} and ${JSON.stringify(sha256)}`;
  throw new OuterloopError("invalid-option", message, { sizeBytes, sha256 });
}

/** When a download that is issued now ends. */
export function endOf(pin: GetPin, nowMs: number): number {
  return "lifeSeconds" in pin ? nowMs + Math.ceil(pin.lifeSeconds * 1000) : pin.expiresAtMs;
}

/** `ticket-expired` unless it lies ahead. */
export function checkExpiry(key: string, expiresAtMs: number, nowMs: number): void {
  if (Number.isSafeInteger(expiresAtMs) && expiresAtMs > nowMs && expiresAtMs <= 8.64e15) return;
  const message = `expected a ticket for ${key} to expire after now (${nowMs}), got ${expiresAtMs}, milliseconds since 1970`;
  throw new OuterloopError("ticket-expired", message, { key, expiresAtMs, nowMs });
}
