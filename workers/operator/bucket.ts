/**
 * The bucket, and what keeps it private: ownership by its owner alone, no public access, encryption at rest.
 *
 * @module
 */
import {
  type BucketLocationConstraint,
  CreateBucketCommand,
  GetBucketEncryptionCommand,
  GetBucketOwnershipControlsCommand,
  GetPublicAccessBlockCommand,
  ListObjectsV2Command,
  type ObjectOwnership,
  PutBucketEncryptionCommand,
  PutBucketOwnershipControlsCommand,
  PutPublicAccessBlockCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { codeOf } from "../../functions/storage/service-errors.ts";
import { OuterloopError } from "../../schemas/errors.ts";
import type { ServerKind } from "./server-kind.ts";
import { notOffered, readOptional, type Setting } from "./setting.ts";
import type { StorageOptions } from "./storage-options.ts";

const OWNERSHIP: ObjectOwnership = "BucketOwnerEnforced";
const BLOCKS = {
  BlockPublicAcls: true,
  IgnorePublicAcls: true,
  BlockPublicPolicy: true,
  RestrictPublicBuckets: true,
} as const;
const ENCRYPTION = "AES256";

/** In the order in which they are to be set. */
export function bucketSettings(s3: S3Client, options: StorageOptions, server: ServerKind): Setting[] {
  const { bucket } = options;
  return [
    existence(s3, options),
    ownership(s3, bucket),
    publicAccess(s3, bucket),
    server === "minio"
      ? notOffered("encryption", "MinIO encrypts where a key service is set up, by MINIO_KMS_…")
      : encryption(s3, bucket),
  ];
}

function existence(s3: S3Client, { bucket, region, profile, endpoint }: StorageOptions): Setting<boolean> {
  return {
    name: `bucket ${bucket}`,
    isNeeded: true,
    // A listing, for its refusals have a body that says why, unlike those of HeadBucket. Functions list as well.
    read: async () => {
      try {
        await s3.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 1 }));
        return true;
      } catch (error) {
        if (codeOf(error) === "NoSuchBucket") return false;
        throw error;
      }
    },
    compare: (exists) => {
      if (exists) return null;
      return { sign: "+", text: endpoint === undefined ? `created in ${region}` : "created" };
    },
    apply: async () => {
      try {
        await s3.send(new CreateBucketCommand({ Bucket: bucket, ...location(region, profile) }));
      } catch (error) {
        const code = codeOf(error);
        if (code === "BucketAlreadyOwnedByYou") return;
        if (code !== "BucketAlreadyExists") throw error;
        throw new OuterloopError(
          "bucket-taken",
          `somebody else has a bucket named ${bucket}: names are unique in all of S3, choose another with --bucket`,
          { bucket },
          error,
        );
      }
    },
  };
}

/** S3 takes every region as a constraint but its first, which is the absence of one. */
function location(region: string, profile: StorageOptions["profile"]) {
  if (profile === "r2" || region === "us-east-1") return {};
  return { CreateBucketConfiguration: { LocationConstraint: region as BucketLocationConstraint } };
}

function ownership(s3: S3Client, bucket: string): Setting<string | null> {
  return {
    name: "ownership",
    read: async () => {
      const found = await readOptional(() =>
        s3.send(new GetBucketOwnershipControlsCommand({ Bucket: bucket })),
      );
      return found?.OwnershipControls?.Rules?.[0]?.ObjectOwnership ?? null;
    },
    compare: (found) => changed(found, OWNERSHIP),
    apply: async () => {
      const OwnershipControls = { Rules: [{ ObjectOwnership: OWNERSHIP }] };
      await s3.send(new PutBucketOwnershipControlsCommand({ Bucket: bucket, OwnershipControls }));
    },
  };
}

function publicAccess(s3: S3Client, bucket: string): Setting<string[] | null> {
  return {
    name: "public access",
    read: async () => {
      const found = await readOptional(() => s3.send(new GetPublicAccessBlockCommand({ Bucket: bucket })));
      const blocks = found?.PublicAccessBlockConfiguration;
      return blocks === undefined
        ? null
        : Object.keys(BLOCKS).filter((block) => blocks[block as keyof typeof BLOCKS] !== true);
    },
    compare: (open) => {
      if (open === null) return { sign: "+", text: "blocked" };
      return open.length === 0 ? null : { sign: "~", text: `blocked (${open.join(", ")} was off)` };
    },
    apply: async () => {
      await s3.send(
        new PutPublicAccessBlockCommand({ Bucket: bucket, PublicAccessBlockConfiguration: BLOCKS }),
      );
    },
  };
}

/** Any encryption will do: who set a key of their own keeps it. */
function encryption(s3: S3Client, bucket: string): Setting<string | null> {
  return {
    name: "encryption",
    read: async () => {
      const found = await readOptional(() => s3.send(new GetBucketEncryptionCommand({ Bucket: bucket })));
      const [rule] = found?.ServerSideEncryptionConfiguration?.Rules ?? [];
      return rule?.ApplyServerSideEncryptionByDefault?.SSEAlgorithm ?? null;
    },
    compare: (found) => (found === null ? { sign: "+", text: ENCRYPTION } : null),
    apply: async () => {
      const rule = { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: ENCRYPTION } } as const;
      await s3.send(
        new PutBucketEncryptionCommand({
          Bucket: bucket,
          ServerSideEncryptionConfiguration: { Rules: [rule] },
        }),
      );
    },
  };
}

function changed(found: string | null, wanted: string) {
  if (found === wanted) return null;
  if (found === null) return { sign: "+", text: wanted } as const;
  return { sign: "~", text: `${wanted} (was ${found})` } as const;
}
