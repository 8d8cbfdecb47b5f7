/**
 * How `provision` says what it changed.
 *
 * @module
 */
import type { Line } from "./setting.ts";

/** `+ queue outerloop-ticks: …`, `~ lifecycle: …`; null: nothing to say, it stood as wanted. */
export function lineText({ sign, name, text }: Line): string | null {
  if (sign === "=") return null;
  return `${sign === "not-offered" ? " " : sign} ${name}: ${sign === "not-offered" ? offered(text) : text}`;
}

/** The last line of the diff. */
export function summaryText(lines: readonly Line[], dryRun: boolean): string {
  const asWanted = lines.filter(({ sign }) => sign === "=").length;
  const changes = lines.filter(isChange).length;
  if (changes === 0) return `= nothing to change: ${count(asWanted, "setting")} as wanted`;
  const done = dryRun ? "to change, nothing was changed (--dry-run)" : "changed";
  return `= ${count(changes, "setting")} ${done}, ${asWanted} as wanted before`;
}

/** A line that changed something, or would. */
export function isChange({ sign }: Line): boolean {
  return sign !== "=" && sign !== "not-offered";
}

const NOT_OFFERED = "not offered by this server";

function offered(why: string): string {
  return why === "" ? NOT_OFFERED : `${NOT_OFFERED}; ${why}`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
