/**
 * What pages in a browser may read: the API answers `GET /objects/…` with a redirect to the store, so a page that
 * follows it comes from another origin. Every read still needs its presigned URL.
 *
 * @module
 */
import { type CORSRule, GetBucketCorsCommand, PutBucketCorsCommand, type S3Client } from "@aws-sdk/client-s3";
import type { ServerKind } from "./server-kind.ts";
import { notOffered, readOptional, type Setting } from "./setting.ts";

const RULE: CORSRule = {
  ID: "outerloop-read",
  AllowedMethods: ["GET", "HEAD"],
  AllowedOrigins: ["*"],
  AllowedHeaders: ["*"],
  ExposeHeaders: ["ETag", "Content-Range", "Date"],
  MaxAgeSeconds: 3_600,
};

export function corsSetting(s3: S3Client, bucket: string, server: ServerKind): Setting {
  if (server === "minio") {
    return notOffered("cors", "MinIO has one setting for the whole server, MINIO_API_CORS_ALLOW_ORIGIN");
  }
  const setting: Setting<CORSRule[]> = {
    name: "cors",
    read: async () =>
      (await readOptional(() => s3.send(new GetBucketCorsCommand({ Bucket: bucket }))))?.CORSRules ?? [],
    compare: (found) => {
      if (found.some(allowsReading)) return null;
      const mine = found.some(({ ID }) => ID === RULE.ID);
      return { sign: mine ? "~" : "+", text: "pages of any origin may read with a presigned URL" };
    },
    apply: async (found) => {
      const CORSRules = [...found.filter(({ ID }) => ID !== RULE.ID), RULE];
      await s3.send(new PutBucketCorsCommand({ Bucket: bucket, CORSConfiguration: { CORSRules } }));
    },
  };
  return setting;
}

/** A store may drop the name of a rule, so the rule is known by what it says. */
function allowsReading(found: CORSRule): boolean {
  const holds = (have: string[] | undefined, wanted: string[] | undefined) =>
    (wanted ?? []).every((one) => have?.includes(one));
  return (
    holds(found.AllowedMethods, RULE.AllowedMethods) &&
    holds(found.AllowedOrigins, RULE.AllowedOrigins) &&
    holds(found.AllowedHeaders, RULE.AllowedHeaders) &&
    holds(found.ExposeHeaders, RULE.ExposeHeaders)
  );
}
