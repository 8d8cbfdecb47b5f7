/**
 * CloudFront in front of what everybody may read, where it is asked for: peers that poll and pull then cost neither
 * requests of S3 nor its egress price.
 *
 * @module
 */

/** How long the two kinds of object that are replaced may be old. */
const REPLACED_SECONDS = 2;
const YEAR_SECONDS = 31_536_000;
/** What is not there yet is asked for again soon. */
const ABSENT_SECONDS = 1;
/** AWS's own policy of response headers with `Access-Control-Allow-Origin: *`. */
const SIMPLE_CORS = "60669652-455b-4ae9-85a4-c4c02393f86c";

export function createCdn(bucket: aws.s3.Bucket): aws.cloudfront.Distribution {
  const access = new aws.cloudfront.OriginAccessControl("CdnAccess", {
    originAccessControlOriginType: "s3",
    signingBehavior: "always",
    signingProtocol: "sigv4",
  });
  const policy = (name: string, seconds: number) =>
    new aws.cloudfront.CachePolicy(name, {
      minTtl: 0,
      defaultTtl: seconds,
      maxTtl: seconds,
      // The key is the path alone: no query, cookie or header makes a second copy or reaches the store.
      parametersInCacheKeyAndForwardedToOrigin: {
        cookiesConfig: { cookieBehavior: "none" },
        headersConfig: { headerBehavior: "none" },
        queryStringsConfig: { queryStringBehavior: "none" },
      },
    });
  const behaviour = (targetOriginId: string, cachePolicyId: $util.Input<string>) => ({
    targetOriginId,
    cachePolicyId,
    viewerProtocolPolicy: "https-only",
    allowedMethods: ["GET", "HEAD"],
    cachedMethods: ["GET", "HEAD"],
    responseHeadersPolicyId: SIMPLE_CORS,
    // Objects are compressed already, and ranges of them are asked for.
    compress: false,
  });
  const origin = { domainName: bucket.bucketRegionalDomainName, originAccessControlId: access.id };
  const replaced = policy("CdnReplaced", REPLACED_SECONDS).id;
  const immutable = policy("CdnImmutable", YEAR_SECONDS).id;
  return new aws.cloudfront.Distribution("Cdn", {
    enabled: true,
    comment: `${$app.name} ${$app.stage}: what everybody may read`,
    origins: [
      { ...origin, originId: "store" },
      // Every other path leads into `public/`, where no such object is: the root of the bucket would be its listing.
      { ...origin, originId: "nothing", originPath: "/public" },
    ],
    orderedCacheBehaviors: [
      { pathPattern: "/public/*/head.json", ...behaviour("store", replaced) },
      { pathPattern: "/views/*", ...behaviour("store", replaced) },
      { pathPattern: "/public/*", ...behaviour("store", immutable) },
    ],
    defaultCacheBehavior: behaviour("nothing", replaced),
    customErrorResponses: [403, 404].map((errorCode) => ({ errorCode, errorCachingMinTtl: ABSENT_SECONDS })),
    restrictions: { geoRestriction: { restrictionType: "none" } },
    viewerCertificate: { cloudfrontDefaultCertificate: true },
  });
}
