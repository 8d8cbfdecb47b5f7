/**
 * One HTTP request with exactly these headers on a connection of its own: what an attacker sends, no client may mend, and a
 * store that refuses an upload closes its connection.
 *
 * @module
 */
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";

const TIMEOUT_MS = 10_000;
const MAX_BODY_BYTES = 64 * 1024;

export interface RawRequest {
  method: string;
  url: string;
  headers?: Record<string, string>;
  body?: Uint8Array;
}

export interface RawResponse {
  status: number;
  contentType: string;
  /** Of the server's clock, milliseconds since 1970, whole seconds; NaN: it said none. */
  dateMs: number;
  body: string;
}

/** Rejects when no answer comes. */
export function sendRaw({ method, url, headers = {}, body }: RawRequest): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith("https:") ? requestHttps : requestHttp;
    // No agent: the connection ends with the answer.
    const request = send(url, { method, headers, agent: false, timeout: TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = [];
      let sizeBytes = 0;
      const done = () =>
        resolve({
          status: response.statusCode ?? 0,
          contentType: response.headers["content-type"] ?? "",
          dateMs: Date.parse(response.headers.date ?? ""),
          body: Buffer.concat(chunks).toString("utf8"),
        });
      response.on("data", (chunk: Buffer) => {
        sizeBytes += chunk.length;
        if (sizeBytes <= MAX_BODY_BYTES) chunks.push(chunk);
      });
      response.on("end", done);
      // The status is here; a body that breaks off tells nothing more.
      response.on("error", done);
    });
    request.on("timeout", () => request.destroy(new Error(`no answer within ${TIMEOUT_MS / 1_000} s`)));
    request.on("error", reject);
    request.end(body);
  });
}

/** `403 AccessDenied`: the status and the code in the body of S3's errors, if there is one. */
export function answerText(answer: RawResponse): string {
  return [answer.status, codeIn(answer)].join(" ").trimEnd();
}

/** The code of an S3 error; empty: none. */
export function codeIn({ body }: RawResponse): string {
  return /<Code>([A-Za-z0-9]+)<\/Code>/.exec(body)?.[1] ?? "";
}
