/**
 * What the bucket itself refuses, whoever asks: plain HTTP, and writes that could replace a fact.
 *
 * **Create once, enforced.** A `PutObject` without `If-None-Match` is denied everywhere but on the two kinds of object
 * that are replaced, `head.json` and the views; there the write must be conditional all the same, `If-Match` or
 * `If-None-Match`. An administrator's slip is refused like a function's bug.
 *
 * **Multipart.** One action, `s3:PutObject`, stands for `PutObject`, `CreateMultipartUpload`, `UploadPart` and
 * `CompleteMultipartUpload`. Only the first and the last create an object and take the header; without an exemption
 * the policy would deny the other two. `s3:ObjectCreationOperation` is true for exactly those that create an object,
 * so parts go through and the completion needs its `If-None-Match`.
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html)
 *
 * **Copies.** `CopyObject` into the bucket is denied by this policy and, with the header, not implemented by S3. To
 * restore a bucket, upload with `If-None-Match: *`, or copy into an empty bucket before this policy is set.
 *
 * @module
 */

/** Objects that are replaced, by compare-and-swap. */
const SWAPPED = ["public/*/head.json", "views/*"];
/** What a CDN may show: what everybody may read. */
const SHOWN = ["public/*", "views/*"];

const everybody = "*";
const creates = { "s3:ObjectCreationOperation": "true" };

export function bucketPolicy(bucketArn: string, distributionArn: string | undefined) {
  const objects = (keys: readonly string[]) => keys.map((key) => `${bucketArn}/${key}`);
  const cdn = {
    Effect: "Allow",
    Principal: { Service: "cloudfront.amazonaws.com" },
    Condition: { StringEquals: { "AWS:SourceArn": distributionArn } },
  };
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "HttpsOnly",
        Effect: "Deny",
        Principal: everybody,
        Action: "s3:*",
        Resource: [bucketArn, `${bucketArn}/*`],
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      },
      {
        Sid: "FactsAreCreatedOnce",
        Effect: "Deny",
        Principal: everybody,
        Action: "s3:PutObject",
        NotResource: objects(SWAPPED),
        Condition: { Null: { "s3:if-none-match": "true" }, Bool: creates },
      },
      {
        Sid: "HeadAndViewsAreSwapped",
        Effect: "Deny",
        Principal: everybody,
        Action: "s3:PutObject",
        Resource: objects(SWAPPED),
        Condition: { Null: { "s3:if-none-match": "true", "s3:if-match": "true" }, Bool: creates },
      },
      ...(distributionArn === undefined
        ? []
        : [
            { Sid: "CdnReads", ...cdn, Action: "s3:GetObject", Resource: objects(SHOWN) },
            // So that what is not there yet is a 404. No path of the distribution leads to a listing; see cdn.ts.
            { Sid: "CdnTellsAbsent", ...cdn, Action: "s3:ListBucket", Resource: bucketArn },
          ]),
    ],
  };
}
