import { expect, it } from "vitest";
import { storeRefusal } from "./store-answers.ts";

const xml = (code: string, message: string) =>
  `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;

it.each([
  // The store.
  [400, xml("ExpiredToken", "The provided token has expired."), "ticket-expired"],
  [400, xml("ExpiredRequest", "Presigned URL has run out"), "ticket-expired"],
  [403, xml("AccessDenied", "Request has expired"), "ticket-expired"],
  [403, xml("AccessDenied", "Access Denied"), "store-refused"],
  [400, xml("ThrottlingException", "Rate exceeded"), "store-busy"],
  [429, xml("TooManyRequests", "Slow down"), "store-busy"],
  // The API.
  [403, JSON.stringify({ code: "ticket-forged", message: "not issued" }), "ticket-forged"],
  [503, JSON.stringify({ code: "store-unreachable", message: "no answer" }), "store-busy"],
  // A proxy before either.
  [429, "<html>Too many</html>", "store-busy"],
  [408, "", "store-busy"],
  [502, "<html>Bad gateway</html>", "store-busy"],
  [403, "<html>Forbidden</html>", "unexpected-answer"],
])("%i %s is %s", async (status, body, code) => {
  expect((await storeRefusal(new Response(body, { status }))).code).toBe(code);
});
