/**
 * The bucket: private, encrypted, without versions, and the one place whose loss ends a run.
 *
 * Plain resources instead of `sst.aws.Bucket`: that one's policy cannot exempt keys (`NotResource`), its lifecycle
 * cannot end incomplete uploads, and its notifications let every bucket of every account send to the queue.
 *
 * @module
 */
import { bucketPolicy } from "./bucket-policy.ts";
import { queuePrefix } from "./names.ts";
import { PRODUCTION } from "./stage.ts";

const UPLOADS_DAYS = 14;
const INCOMPLETE_DAYS = 1;

export function createBucket(): aws.s3.Bucket {
  // Its name is this and seven digits of Pulumi's.
  const bucket = new aws.s3.Bucket(`${queuePrefix()}-store`.toLowerCase(), {
    // Removing a stage takes its objects along. Production's nothing takes, whatever `sst.config.ts` says of removal.
    forceDestroy: $app.stage !== PRODUCTION,
  });
  new aws.s3.BucketOwnershipControls("StoreOwnership", {
    bucket: bucket.bucket,
    rule: { objectOwnership: "BucketOwnerEnforced" },
  });
  new aws.s3.BucketServerSideEncryptionConfiguration("StoreEncryption", {
    bucket: bucket.bucket,
    rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }],
  });
  new aws.s3.BucketLifecycleConfiguration("StoreLifecycle", {
    bucket: bucket.bucket,
    rules: [
      {
        id: "outerloop-uploads",
        status: "Enabled",
        filter: { prefix: "uploads/" },
        expiration: { days: UPLOADS_DAYS },
      },
      {
        id: "outerloop-incomplete",
        status: "Enabled",
        filter: { prefix: "" },
        abortIncompleteMultipartUpload: { daysAfterInitiation: INCOMPLETE_DAYS },
      },
    ],
  });
  // The page follows the API's redirects to the store, which is another origin. Every read still needs its signature.
  new aws.s3.BucketCorsConfiguration("StoreCors", {
    bucket: bucket.bucket,
    corsRules: [
      {
        id: "outerloop-read",
        allowedMethods: ["GET", "HEAD"],
        allowedOrigins: ["*"],
        allowedHeaders: ["*"],
        exposeHeaders: ["ETag", "Content-Range", "Date"],
        maxAgeSeconds: 3_600,
      },
    ],
  });
  return bucket;
}

/** Public access blocked, and the policy of `bucket-policy.ts`. */
export function protectBucket(
  bucket: aws.s3.Bucket,
  distribution: aws.cloudfront.Distribution | undefined,
): void {
  const block = new aws.s3.BucketPublicAccessBlock("StorePublicAccess", {
    bucket: bucket.bucket,
    blockPublicAcls: true,
    ignorePublicAcls: true,
    blockPublicPolicy: true,
    restrictPublicBuckets: true,
  });
  new aws.s3.BucketPolicy(
    "StorePolicy",
    {
      bucket: bucket.bucket,
      policy: $util
        .output({ bucketArn: bucket.arn, distributionArn: distribution?.arn })
        .apply(({ bucketArn, distributionArn }) => JSON.stringify(bucketPolicy(bucketArn, distributionArn))),
    },
    // S3 refuses two changes of a bucket's access at once.
    { dependsOn: [block] },
  );
}

/** New uploads are announced to one queue. Nothing else is: whoever writes a report or an aggregate sends the tick. */
export function announceUploads(bucket: aws.s3.Bucket, queue: sst.aws.Queue): void {
  const policy = new aws.sqs.QueuePolicy("ShardsPolicy", {
    queueUrl: queue.url,
    policy: $jsonStringify({
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "OwnBucketAnnounces",
          Effect: "Allow",
          Principal: { Service: "s3.amazonaws.com" },
          Action: "sqs:SendMessage",
          Resource: queue.arn,
          // Without the account a bucket of this name in other hands could send, once ours is gone.
          Condition: {
            ArnEquals: { "aws:SourceArn": bucket.arn },
            StringEquals: { "aws:SourceAccount": aws.getCallerIdentityOutput().accountId },
          },
        },
      ],
    }),
  });
  new aws.s3.BucketNotification(
    "StoreNotification",
    {
      bucket: bucket.bucket,
      queues: [
        {
          id: "uploads",
          queueArn: queue.arn,
          events: ["s3:ObjectCreated:*"],
          filterPrefix: "uploads/",
          filterSuffix: ".slc",
        },
      ],
    },
    // S3 sends a test message when this is set.
    { dependsOn: [policy] },
  );
}
