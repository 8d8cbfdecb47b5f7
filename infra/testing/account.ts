/**
 * The account that a deployment under test is declared in: what AWS would answer, made up.
 *
 * @module
 */
export const ACCOUNT = "123456789012";
export const REGION = "eu-west-1";

type Properties = Readonly<Record<string, unknown>>;

/** The ARN that a resource would have. Only services whose ARNs are looked at are spelled out. */
export function arnOf(type: string, name: string): string {
  switch (type) {
    case "aws:s3/bucket:Bucket":
      return `arn:aws:s3:::${name}`;
    case "aws:iam/role:Role":
      return `arn:aws:iam::${ACCOUNT}:role/${name}`;
    case "aws:sqs/queue:Queue":
      return `arn:aws:sqs:${REGION}:${ACCOUNT}:${name}`;
    case "aws:cloudwatch/logGroup:LogGroup":
      return `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:${name}`;
    case "aws:lambda/function:Function":
      return `arn:aws:lambda:${REGION}:${ACCOUNT}:function:${name}`;
    case "aws:cloudfront/distribution:Distribution":
      return `arn:aws:cloudfront::${ACCOUNT}:distribution/${name}`;
    default:
      return `arn:aws:${type.split(":")[1]?.split("/")[0]}:${REGION}:${ACCOUNT}:${name}`;
  }
}

/** What a resource is like once it exists: what was asked for, and what AWS adds. */
export function created(type: string, name: string, inputs: Properties) {
  const physical = String(inputs.name ?? inputs.bucket ?? name);
  const arn = arnOf(type, physical);
  return {
    id: physical,
    state: {
      ...inputs,
      id: physical,
      name: physical,
      arn,
      bucket: inputs.bucket ?? physical,
      bucketRegionalDomainName: `${physical}.s3.${REGION}.amazonaws.com`,
      url: `https://sqs.${REGION}.amazonaws.com/${ACCOUNT}/${physical}`,
      apiEndpoint: `https://a1b2c3.execute-api.${REGION}.amazonaws.com`,
      executionArn: `arn:aws:execute-api:${REGION}:${ACCOUNT}:a1b2c3`,
      invokeArn: `arn:aws:apigateway:${REGION}:lambda:path/2015-03-31/functions/${arn}/invocations`,
      base64: Buffer.from(name).toString("base64"),
      domainName: inputs.domainName ?? "d1.cloudfront.net",
      domainValidationOptions: [],
      domainNameConfiguration: { targetDomainName: "d-1.execute-api", hostedZoneId: "Z1" },
    },
  };
}

/** Answers of the provider's functions. One that is not known is an error, not an empty answer. */
export function answered(token: string, inputs: Properties): Properties {
  switch (token) {
    case "aws:index/getRegion:getRegion":
      return { name: REGION, region: REGION };
    case "aws:index/getCallerIdentity:getCallerIdentity":
      return { accountId: ACCOUNT, arn: `arn:aws:iam::${ACCOUNT}:user/deployer` };
    case "aws:index/getPartition:getPartition":
      return { partition: "aws" };
    case "aws:iam/getPolicyDocument:getPolicyDocument":
      return { ...inputs, json: JSON.stringify(policyDocument(inputs.statements)) };
    case "aws:ec2/getVpc:getVpc":
      return { id: "vpc-default" };
    case "aws:ec2/getSubnets:getSubnets":
      return { ids: ["subnet-a", "subnet-b"] };
    case "aws:ssm/getParameter:getParameter":
      return { ...inputs, value: `value of ${inputs.name}` };
    case "aws:route53/getZone:getZone":
      return { ...inputs, zoneId: "Z1", name: "example.org" };
    default:
      throw new Error(
        `the account under test has no answer to ${token}: add one to infra/testing/account.ts`,
      );
  }
}

interface ProviderStatement {
  effect?: string;
  actions: string[];
  resources?: string[];
  principals?: { type: string; identifiers: string[] }[];
  conditions?: { test: string; variable: string; values: string[] }[];
}

/** The provider's spelling of a policy in IAM's own. */
function policyDocument(statements: unknown) {
  return {
    Version: "2012-10-17",
    Statement: ((statements ?? []) as ProviderStatement[]).map((statement) => ({
      Effect: statement.effect ?? "Allow",
      Action: statement.actions,
      ...(statement.resources === undefined ? {} : { Resource: statement.resources }),
      ...(statement.principals === undefined
        ? {}
        : {
            Principal: Object.fromEntries(
              statement.principals.map(({ type, identifiers }) => [type, identifiers]),
            ),
          }),
      ...(statement.conditions === undefined || statement.conditions.length === 0
        ? {}
        : {
            Condition: Object.fromEntries(
              statement.conditions.map(({ test, variable, values }) => [test, { [variable]: values }]),
            ),
          }),
    })),
  };
}
