/**
 * Whose bucket is it? `provision` changes what holds for a whole bucket (what expires, who may read), so it must not do
 * that to one that is used for something else.
 *
 * @module
 */
import {
  GetBucketTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type S3Client,
} from "@aws-sdk/client-s3";
import { keys, OuterloopError } from "../../schemas/index.ts";
import { lineText } from "./diff.ts";
import { isNotImplemented, type Line, readOptional } from "./setting.ts";

/** `nobody`: it is empty, or yet to be made. */
export type BucketOwner = { kind: "nobody" | "outerloop" | "others" } | { kind: "deployment"; stage: string };

/** SST puts these on everything that it makes. */
const TAGS = { app: "sst:app", stage: "sst:stage" } as const;

export async function readBucketOwner(s3: S3Client, bucket: string): Promise<BucketOwner> {
  const tags = await readTags(s3, bucket);
  if (tags.has(TAGS.app)) return { kind: "deployment", stage: tags.get(TAGS.stage) ?? "" };
  if ((await firstKey(s3, bucket, "")) === null) return { kind: "nobody" };
  return { kind: (await holdsRun(s3, bucket)) ? "outerloop" : "others" };
}

/** Typed error for a bucket whose settings a deployment makes. */
export function deployedBucket(bucket: string, stage: string): OuterloopError {
  return new OuterloopError(
    "deployed-bucket",
    `expected a bucket that provision may set up, got ${bucket}, which belongs to stage ${stage} of an SST deployment: ` +
      `deploy again instead (npx sst deploy --stage ${stage})`,
    { bucket, stage },
  );
}

/** Typed error for a bucket with objects of others. `changes`: what they would notice. */
export function foreignBucket(bucket: string, changes: readonly Line[]): OuterloopError {
  const text = changes.map((line) => lineText(line)).join(", ");
  return new OuterloopError(
    "foreign-bucket",
    `expected an empty bucket or one with a run, got ${bucket}, which holds other objects and would be changed (${text}): ` +
      "choose another with --bucket, or take this one over with outerloop provision --adopt",
    { bucket },
  );
}

async function readTags(s3: S3Client, bucket: string): Promise<Map<string | undefined, string | undefined>> {
  try {
    const found = await readOptional(() => s3.send(new GetBucketTaggingCommand({ Bucket: bucket })));
    return new Map(found?.TagSet?.map(({ Key, Value }) => [Key, Value]));
  } catch (error) {
    if (isNotImplemented(error)) return new Map();
    throw error;
  }
}

/**
 * Looks at the first folder under `public/` alone, which in a bucket of ours is a run's; others may have a million there. A
 * run that was never finished does not count, but then its bucket was set up before, and there is nothing to change.
 */
async function holdsRun(s3: S3Client, bucket: string): Promise<boolean> {
  const [, run] = (await firstKey(s3, bucket, "public/"))?.split("/") ?? [];
  if (run === undefined) return false;
  const genesis = await readOptional(() =>
    s3.send(new HeadObjectCommand({ Bucket: bucket, Key: keys.genesis(run) })),
  );
  return genesis !== null;
}

async function firstKey(s3: S3Client, bucket: string, prefix: string): Promise<string | null> {
  const page = await readOptional(() =>
    s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: 1 })),
  );
  return page?.Contents?.[0]?.Key ?? null;
}
