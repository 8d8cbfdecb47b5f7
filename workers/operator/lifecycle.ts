/**
 * What the store removes by itself: uploads after two weeks, parts of uploads that were never completed after a day.
 *
 * @module
 */
import {
  GetBucketLifecycleConfigurationCommand,
  type GetBucketLifecycleConfigurationOutput,
  type LifecycleRule,
  PutBucketLifecycleConfigurationCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import type { ServerKind } from "./server-kind.ts";
import { notOffered, readOptional, type Setting } from "./setting.ts";

export const UPLOADS_DAYS = 14;
const INCOMPLETE_DAYS = 1;

/** A rule of ours, and how a person says it. */
export interface WantedRule {
  rule: LifecycleRule & { ID: string };
  subject: string;
  /** What the rule does, of any rule that is about the same objects. */
  says: (rule: LifecycleRule) => string | null;
}

export const uploads: WantedRule = {
  rule: {
    ID: "outerloop-uploads",
    Status: "Enabled",
    Filter: { Prefix: "uploads/" },
    Expiration: { Days: UPLOADS_DAYS },
  },
  subject: "uploads/",
  says: ({ Expiration }) => days(Expiration?.Days),
};
export const incomplete: WantedRule = {
  rule: {
    ID: "outerloop-incomplete",
    Status: "Enabled",
    Filter: { Prefix: "" },
    AbortIncompleteMultipartUpload: { DaysAfterInitiation: INCOMPLETE_DAYS },
  },
  subject: "incomplete uploads",
  says: ({ AbortIncompleteMultipartUpload }) => days(AbortIncompleteMultipartUpload?.DaysAfterInitiation),
};

/** Both rules in one write: a store may answer with the old rules for a while, and a second write would lose the first. */
export function lifecycleSettings(s3: S3Client, bucket: string, server: ServerKind): Setting[] {
  if (server !== "minio") return [lifecycle(s3, bucket, [uploads, incomplete])];
  // MinIO refuses a rule that only ends incomplete uploads, and drops that part of any other.
  return [
    lifecycle(s3, bucket, [uploads]),
    notOffered("lifecycle of incomplete uploads", "MinIO itself removes them after 24 h"),
  ];
}

function lifecycle(
  s3: S3Client,
  bucket: string,
  wanted: WantedRule[],
): Setting<GetBucketLifecycleConfigurationOutput> {
  return {
    name: "lifecycle",
    read: async () =>
      (await readOptional(() => s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket: bucket })))) ??
      {},
    compare: ({ Rules = [] }) => {
      const missing = wanted.filter((one) => !stands(one, Rules));
      if (missing.length === 0) return null;
      const text = missing
        .map((one) => `${one.subject} ${one.says(one.rule)} (was ${was(one, Rules)})`)
        .join(", ");
      return { sign: Rules.length === 0 ? "+" : "~", text };
    },
    apply: async ({ Rules = [], TransitionDefaultMinimumObjectSize }) => {
      await s3.send(
        new PutBucketLifecycleConfigurationCommand({
          Bucket: bucket,
          LifecycleConfiguration: { Rules: mergedRules(Rules, wanted) },
          TransitionDefaultMinimumObjectSize,
        }),
      );
    },
  };
}

/** Rules of others, in today's form, and ours. */
export function mergedRules(found: LifecycleRule[], wanted: WantedRule[]): LifecycleRule[] {
  const missing = wanted.filter((one) => !stands(one, found)).map(({ rule }) => rule);
  const kept = found.filter(({ ID }) => !missing.some((rule) => rule.ID === ID));
  return [...kept.map(withFilter), ...missing];
}

/** Whoever wrote it. */
export function stands({ rule, says }: WantedRule, found: LifecycleRule[]): boolean {
  return found.some(
    (one) => one.Status === "Enabled" && prefixOf(one) === prefixOf(rule) && says(one) === says(rule),
  );
}

function was({ rule, says }: WantedRule, found: LifecycleRule[]): string {
  const mine = found.find(({ ID }) => ID === rule.ID);
  if (mine === undefined) return "none";
  return mine.Status === "Enabled" ? (says(mine) ?? "another rule") : "switched off";
}

/** Null: the rule is about tags or sizes too. */
function prefixOf({ Filter, Prefix }: LifecycleRule): string | null {
  if (Filter === undefined) return Prefix ?? "";
  const { Prefix: prefix = "", ...others } = Filter;
  return Object.values(others).some((other) => other !== undefined) ? null : prefix;
}

/** S3 takes no mixture of rules in the form of 2012 and in today's. */
function withFilter({ Prefix, ...rule }: LifecycleRule): LifecycleRule {
  return Prefix === undefined ? rule : { ...rule, Filter: { Prefix } };
}

function days(count: number | undefined): string | null {
  if (count === undefined) return null;
  return count === 1 ? "1 day" : `${count} days`;
}
