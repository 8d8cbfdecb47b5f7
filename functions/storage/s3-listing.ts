/**
 * Listings of S3 in the port's shape.
 *
 * @module
 */
import { ListObjectsV2Command, type ListObjectsV2CommandOutput } from "@aws-sdk/client-s3";
import { OuterloopError } from "../../schemas/errors.ts";
import { checkPrefix, toByteString } from "./object-keys.ts";
import type { ListPage } from "./object-store.ts";
import type { S3Access } from "./s3-access.ts";
import { infoOf } from "./s3-reading.ts";
import { checkPageLimit, MAX_PAGE } from "./store-checks.ts";

/** One page, in as many requests as S3 needs for it: usually one, but a page of S3's may be empty and not the last. */
export async function listPage(
  s3: S3Access,
  prefix: string,
  { after, limit = MAX_PAGE }: { after?: string; limit?: number } = {},
): Promise<ListPage> {
  checkPrefix(prefix);
  checkPageLimit(limit);
  const from = startAfter(prefix, after);
  if (from === null) return { objects: [], next: null };
  for (let token: string | undefined; ; ) {
    const answer = await request(s3, {
      Prefix: prefix,
      MaxKeys: limit,
      StartAfter: from,
      ContinuationToken: token,
    });
    const objects = (answer.Contents ?? []).map(({ Key = "", Size, ETag, LastModified }) =>
      infoOf(decoded(Key), { ContentLength: Size, ETag, LastModified }),
    );
    if (answer.IsTruncated === false) return { objects, next: null };
    const last = objects.at(-1);
    // Who goes on after the last key needs no token, and some servers forget it.
    if (answer.IsTruncated === true && last !== undefined) return { objects, next: last.key };
    token = answer.NextContinuationToken;
    // Taken for the last page, it would hide objects that are there.
    if (answer.IsTruncated === undefined || token === undefined) throw unclear(prefix, answer);
  }
}

function unclear(prefix: string, { IsTruncated, KeyCount }: ListObjectsV2CommandOutput): OuterloopError {
  const message = `expected a listing of ${prefix} to say where it goes on or that it ends, got ${KeyCount ?? "?"} keys, truncated: ${IsTruncated}, and no token: repeat it; if it stays so, this is no S3`;
  return new OuterloopError("unexpected-answer", message, { prefix });
}

/** Undefined: from the first; null: nothing can come. Servers differ in what they make of a start outside the prefix. */
function startAfter(prefix: string, after: string | undefined): string | undefined | null {
  if (after === undefined || after === "" || after.startsWith(prefix))
    return after === "" ? undefined : after;
  return toByteString(after) < toByteString(prefix) ? undefined : null;
}

async function request(
  s3: S3Access,
  page: {
    Prefix: string;
    MaxKeys: number;
    StartAfter: string | undefined;
    ContinuationToken: string | undefined;
  },
): Promise<ListObjectsV2CommandOutput> {
  try {
    // Encoded, because XML loses spaces at the end of a key, and cannot hold every character.
    return await s3.client.send(
      new ListObjectsV2Command({ Bucket: s3.bucket, EncodingType: "url", ...page }),
    );
  } catch (error) {
    throw s3.failure("ListObjectsV2", null, error);
  }
}

function decoded(key: string): string {
  return decodeURIComponent(key.replaceAll("+", " "));
}
