/**
 * One thing that a deployment wants to stand at a service: how it is read, compared and set.
 *
 * @module
 */
import { codeOf, type Service, serviceError, statusOf } from "../../functions/storage/service-errors.ts";
import { isOuterloopError } from "../../schemas/errors.ts";

/** The server has no such setting; nothing is wrong. Why, or what it has instead, as far as that is known. */
export interface NotOffered {
  notOffered: string;
}

/** What setting it would change. `+` something new, `~` something other than it was, `-` something taken away. */
export interface Difference {
  sign: "+" | "~" | "-";
  text: string;
}

export interface Setting<Found = unknown> {
  /** `queue outerloop-ticks` */
  readonly name: string;
  /** A server without it is of no use: then it is an error. */
  readonly isNeeded?: true;
  read(): Promise<Found | NotOffered>;
  /** Null: all is as wanted. Pure. */
  compare(found: Found): Difference | null;
  /** Only ever called with a difference. What others set, it keeps. */
  apply(found: Found): Promise<void>;
}

/** One line of the answer. `=`: as wanted. `not-offered`: see {@link NotOffered}. */
export interface Line {
  sign: Difference["sign"] | "=" | "not-offered";
  name: string;
  text: string;
}

/** The service that has a setting, for errors. */
export interface Place {
  service: Service;
  /** `AWS` without an address. */
  endpoint: string;
}

/** Brings one setting to what is wanted, or only says what that would change. */
export async function settle(setting: Setting, dryRun: boolean, place: Place): Promise<Line> {
  const { name, isNeeded } = setting;
  try {
    const found = await setting.read();
    if (isNotOffered(found)) return { sign: "not-offered", name, text: found.notOffered };
    const difference = setting.compare(found);
    if (difference === null) return { sign: "=", name, text: "as wanted" };
    if (!dryRun) await setting.apply(found);
    return { ...difference, name };
  } catch (error) {
    // Some servers only say so when it is set.
    if (isNotImplemented(error) && isNeeded !== true) return { sign: "not-offered", name, text: "" };
    if (isOuterloopError(error)) throw error;
    throw serviceError(error, { ...place, operation: "the setting", about: name });
  }
}

/** A setting that this server is known not to have. */
export function notOffered(name: string, why: string): Setting {
  return {
    name,
    read: async () => ({ notOffered: why }),
    compare: () => null,
    apply: async () => {},
  };
}

/** Reads a setting of a bucket: null where there is none, be it that the bucket is yet to be made. */
export async function readOptional<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (statusOf(error) === 404) return null;
    throw error;
  }
}

/** A server that has no such setting says so in one of these ways. */
export function isNotImplemented(error: unknown): boolean {
  return [501, 405].includes(statusOf(error)) || codeOf(error) === "NotImplemented";
}

function isNotOffered(found: unknown): found is NotOffered {
  return typeof found === "object" && found !== null && "notOffered" in found;
}
