/**
 * Where an object lies in the folder tree, and back.
 *
 * A segment of a key becomes a name whose last character tells what it is, so the keys `a` and `a/b` never meet:
 *
 * | name | holds |
 * |---|---|
 * | `a$` | the object `…a` |
 * | `a+` | the objects `…a/…` |
 * | `a~` | the objects whose segment goes on after these 75 bytes (a file name has at most 255) |
 * | `a!…` | later versions of the object `…a`, see `file-versions.ts` |
 *
 * Lowercase letters, digits and `. _ - =` stand for themselves, every other byte is `%xx`: uppercase too, because some
 * filesystems take `A` for `a`; bytes above 127 too, because some rewrite Unicode.
 *
 * @module
 */
import { join } from "node:path";
import { type ByteString, toByteString } from "./object-keys.ts";

/** Longest piece of a segment in one name: three characters a byte, and room for the suffix of a version. */
const PIECE_BYTES = 75;

/** What a name in a folder stands for. `bytes` continue the key of the folder. */
export interface Entry {
  kind: "object" | "folder";
  /** Bytes of the key that the name adds; a folder that ends a segment adds its slash too. */
  bytes: ByteString;
}

/** Folder and name of the file that holds the first version of an object. */
export function placeOf(root: string, key: string): { folder: string; path: string } {
  const segments = toByteString(key).split("/");
  const last = segments.pop() ?? "";
  const { folders, rest } = piecesOf(last);
  const folder = join(root, ...segments.flatMap(folderNames), ...folders);
  return { folder, path: join(folder, `${toName(rest)}$`) };
}

/** The folder that holds every key under a prefix, and the part of the prefix that its path already says. */
export function folderOf(root: string, prefix: ByteString): { folder: string; bytes: ByteString } {
  const bytes = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  const segments = bytes.split("/").slice(0, -1);
  return { folder: join(root, ...segments.flatMap(folderNames)), bytes };
}

/** Reads a name; null: not an object nor a folder of objects (versions, strangers' files). */
export function entryOf(name: string): Entry | null {
  const bytes = fromName(name.slice(0, -1));
  switch (name.at(-1)) {
    case "$":
      return { kind: "object", bytes };
    case "+":
      return { kind: "folder", bytes: `${bytes}/` };
    case "~":
      return { kind: "folder", bytes };
    default:
      return null;
  }
}

function folderNames(segment: ByteString): string[] {
  const { folders, rest } = piecesOf(segment);
  return [...folders, `${toName(rest)}+`];
}

/**
 * A segment of exactly the limit is cut as well (its rest is empty): then everything that begins with those 75 bytes
 * lies in the one folder, and a listing may visit the names of a folder one after the other.
 */
function piecesOf(segment: ByteString): { folders: string[]; rest: ByteString } {
  const folders: string[] = [];
  let rest = segment;
  for (; rest.length >= PIECE_BYTES; rest = rest.slice(PIECE_BYTES)) {
    folders.push(`${toName(rest.slice(0, PIECE_BYTES))}~`);
  }
  return { folders, rest };
}

function toName(bytes: ByteString): string {
  return bytes.replace(/[^a-z0-9._=-]/g, (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

function fromName(name: string): ByteString {
  return name.replace(/%([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
