/**
 * The `Range` header of RFC 9110, as far as we serve it: one range of bytes.
 *
 * @module
 */

/** Bytes [start, end) to serve; `whole`: no usable range asked; `unsatisfiable`: nothing of it exists (416). */
export type RangeRequest =
  | { kind: "whole" }
  | { kind: "part"; start: number; end: number }
  | { kind: "unsatisfiable" };

/** Reads `bytes=a-b`, `bytes=a-` and `bytes=-n`. A header in another form is ignored, as the RFC asks. */
export function parseRange(header: string | undefined, sizeBytes: number): RangeRequest {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "");
  const [, first = "", last = ""] = match ?? [];
  if (first === "" && last === "") return { kind: "whole" };
  if (first === "") return part(sizeBytes - Math.min(Number(last), sizeBytes), sizeBytes);
  if (last !== "" && Number(last) < Number(first)) return { kind: "whole" };
  return part(Number(first), last === "" ? sizeBytes : Math.min(Number(last) + 1, sizeBytes));
}

function part(start: number, end: number): RangeRequest {
  return start < end ? { kind: "part", start, end } : { kind: "unsatisfiable" };
}
