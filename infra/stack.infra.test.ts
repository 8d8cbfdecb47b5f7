import { existsSync, readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { MAX_RECEIVES } from "../schemas/messages.ts";
import { nodejs, SST_VERSION } from "./bundle.ts";
import { ACCOUNT, arnOf, REGION } from "./testing/account.ts";
import { type Declared, type Deployment, declare } from "./testing/deployment.ts";
import { bucketPolicyOf, roleArn } from "./testing/iam-matrix.ts";
import { readPolicy } from "./testing/policy.ts";
import { wideStatements } from "./testing/wide-statements.ts";

let deployment: Deployment;
beforeAll(async () => {
  deployment = await declare("test");
});

const inputsOf = (type: string) => deployment.ofType(type).map(({ inputs }) => inputs);
const queue = (title: string) => deployment.named("sqs/queue:Queue", `${title}Queue`);
const queueArn = (title: string) => arnOf("aws:sqs/queue:Queue", String(queue(title).inputs.name));
const lambda = (title: string) => deployment.named("lambda/function:Function", `${title}Function`);
const environmentOf = (title: string) =>
  (lambda(title).inputs.environment as { variables: object }).variables;
const TITLES = ["Decide", "Shards", "Api", "Sweep"];

describe("the bucket", () => {
  const only = (type: string) => {
    const [inputs, ...others] = inputsOf(type);
    expect(others).toEqual([]);
    return inputs;
  };

  it("lets nobody in from outside, whatever a policy or an access list says", () => {
    expect(only("s3/bucketPublicAccessBlock:BucketPublicAccessBlock")).toMatchObject({
      blockPublicAcls: true,
      ignorePublicAcls: true,
      blockPublicPolicy: true,
      restrictPublicBuckets: true,
    });
    expect(only("s3/bucketOwnershipControls:BucketOwnershipControls")).toMatchObject({
      rule: { objectOwnership: "BucketOwnerEnforced" },
    });
  });

  it("is encrypted and keeps no versions", () => {
    expect(
      only("s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"),
    ).toMatchObject({
      rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }],
    });
    expect(inputsOf("s3/bucketVersioning:BucketVersioning")).toEqual([]);
  });

  it("forgets uploads after two weeks, unfinished ones after a day, and nothing else", () => {
    expect(only("s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")?.rules).toEqual([
      {
        id: "outerloop-uploads",
        status: "Enabled",
        filter: { prefix: "uploads/" },
        expiration: { days: 14 },
      },
      {
        id: "outerloop-incomplete",
        status: "Enabled",
        filter: { prefix: "" },
        abortIncompleteMultipartUpload: { daysAfterInitiation: 1 },
      },
    ]);
  });

  it("lets pages of other origins read, and do nothing else", () => {
    const rules = only("s3/bucketCorsConfiguration:BucketCorsConfiguration")?.corsRules;
    expect(rules).toMatchObject([{ allowedMethods: ["GET", "HEAD"], allowedOrigins: ["*"] }]);
  });

  it("has a policy that allows nobody anything", () => {
    expect(bucketPolicyOf(deployment).Statement.map(({ Sid, Effect }) => [Sid, Effect])).toEqual([
      ["HttpsOnly", "Deny"],
      ["FactsAreCreatedOnce", "Deny"],
      ["HeadAndViewsAreSwapped", "Deny"],
    ]);
  });

  it("announces new uploads to the queue of shards, and nothing else to anybody", () => {
    const { queues, lambdaFunctions, topics } = only("s3/bucketNotification:BucketNotification") ?? {};
    expect({ queues, lambdaFunctions, topics }).toEqual({
      queues: [
        {
          id: "uploads",
          queueArn: queueArn("Shards"),
          events: ["s3:ObjectCreated:*"],
          filterPrefix: "uploads/",
          filterSuffix: ".slc",
        },
      ],
      lambdaFunctions: undefined,
      topics: undefined,
    });
  });
});

describe("the queues", () => {
  it("are three, each with dead letters of its own, found by their names", () => {
    expect(
      inputsOf("sqs/queue:Queue")
        .map(({ name }) => name)
        .sort(),
    ).toEqual([
      "outerloop-test-jobs",
      "outerloop-test-jobs-dead",
      "outerloop-test-shards",
      "outerloop-test-shards-dead",
      "outerloop-test-ticks",
      "outerloop-test-ticks-dead",
    ]);
  });

  it.each(["Ticks", "Shards", "Jobs"])(
    "of %s bury a message after five receives and keep it two weeks",
    (title) => {
      expect(JSON.parse(String(queue(title).inputs.redrivePolicy))).toEqual({
        deadLetterTargetArn: queueArn(`${title}Dead`),
        maxReceiveCount: MAX_RECEIVES,
      });
      expect(MAX_RECEIVES).toBe(5);
      expect(queue(`${title}Dead`).inputs).toMatchObject({ messageRetentionSeconds: 14 * 86_400 });
      expect(queue(`${title}Dead`).inputs.redrivePolicy).toBeUndefined();
    },
  );

  it("are encrypted", () => {
    expect(inputsOf("sqs/queue:Queue").map(({ sqsManagedSseEnabled }) => sqsManagedSseEnabled)).toEqual(
      Array(6).fill(true),
    );
  });

  it.each([
    ["Ticks", "Decide"],
    ["Shards", "Shards"],
  ])("of %s hide a message for six times as long as %s may run", (title, fn) => {
    const { visibilityTimeoutSeconds } = queue(title).inputs;
    expect(visibilityTimeoutSeconds).toBe(6 * Number(lambda(fn).inputs.timeout));
    expect(visibilityTimeoutSeconds).toBeLessThanOrEqual(43_200);
  });

  it("call their functions: ticks in batches by few, shards one by one by many; both report what failed", () => {
    const mappings = inputsOf("lambda/eventSourceMapping:EventSourceMapping");
    const of = (title: string) => mappings.filter(({ eventSourceArn }) => eventSourceArn === queueArn(title));
    expect(mappings).toHaveLength(2);
    expect(of("Ticks")).toMatchObject([
      {
        functionName: arnOf("aws:lambda/function:Function", lambdaName("Decide")),
        batchSize: 100,
        maximumBatchingWindowInSeconds: 1,
        functionResponseTypes: ["ReportBatchItemFailures"],
        scalingConfig: { maximumConcurrency: 2 },
      },
    ]);
    expect(of("Shards")).toMatchObject([
      {
        functionName: arnOf("aws:lambda/function:Function", lambdaName("Shards")),
        batchSize: 1,
        maximumBatchingWindowInSeconds: 0,
        functionResponseTypes: ["ReportBatchItemFailures"],
        scalingConfig: { maximumConcurrency: 50 },
      },
    ]);
  });
});

function lambdaName(title: string): string {
  return String(lambda(title).inputs.name ?? lambda(title).name);
}

describe("the functions", () => {
  it("are four, on one runtime and processor", () => {
    expect(
      deployment
        .ofType("lambda/function:Function")
        .map(({ name }) => name)
        .sort(),
    ).toEqual(TITLES.map((title) => `${title}Function`).sort());
    for (const inputs of inputsOf("lambda/function:Function"))
      expect(inputs).toMatchObject({ runtime: "nodejs24.x", architectures: ["x86_64"] });
  });

  it("are bundled from entries that exist, as the test of the bundles has them", () => {
    const entries = deployment.bundles.map(({ handler }) => handler.replace(/\.handler$/, ".ts")).sort();
    expect(entries).toEqual(
      ["api", "decide", "shards", "sweep"].map((name) => `functions/triggers/lambda/${name}.ts`),
    );
    expect(entries.filter((entry) => !existsSync(entry))).toEqual([]);
    for (const { properties } of deployment.bundles) expect(properties).toMatchObject(nodejs);
  });

  it("are bundled by the version of SST whose options the test of the bundles repeats", () => {
    const installed = JSON.parse(readFileSync("node_modules/sst/package.json", "utf8"));
    expect(installed.version, "compare esbuildOptions with pkg/runtime/node/build.go of SST first").toBe(
      SST_VERSION,
    );
  });

  it("bring the codec, and the API its page", () => {
    const copied = (name: string) =>
      deployment.bundles.find(({ handler }) => handler.includes(`/${name}.`))?.copyFiles.map(({ to }) => to);
    for (const name of ["decide", "shards", "sweep"]) expect(copied(name)).toEqual(["prebuilds/linux-x64"]);
    expect(copied("api")).toEqual(expect.arrayContaining(["prebuilds/linux-x64", "modules"]));
  });

  it("keep their logs for a while, not for ever", () => {
    const groups = inputsOf("cloudwatch/logGroup:LogGroup");
    expect(groups).toHaveLength(TITLES.length + 1);
    for (const group of groups) expect(group.retentionInDays).toBe(30);
    for (const inputs of inputsOf("lambda/function:Function"))
      expect(inputs.loggingConfig).toMatchObject({ logFormat: "JSON" });
  });

  it("are told where things are", () => {
    const at = (name: string) => `https://sqs.${REGION}.amazonaws.com/${ACCOUNT}/outerloop-test-${name}`;
    for (const title of TITLES)
      expect(environmentOf(title)).toMatchObject({
        OUTERLOOP_BUCKET: "outerloop-test-store",
        OUTERLOOP_STORE_PROFILE: "s3",
        OUTERLOOP_TICKS_QUEUE: at("ticks"),
        OUTERLOOP_SHARDS_QUEUE: at("shards"),
        OUTERLOOP_JOBS_QUEUE: at("jobs"),
        OUTERLOOP_TICKS_DEAD: at("ticks-dead"),
        OUTERLOOP_SHARDS_DEAD: at("shards-dead"),
        OUTERLOOP_JOBS_DEAD: at("jobs-dead"),
        OUTERLOOP_SECRETS: "ssm:/outerloop/test",
      });
  });

  it("are told no secret", () => {
    const names = TITLES.flatMap((title) => Object.keys(environmentOf(title)));
    // SST's own key is for linked resources, of which there are none.
    expect([...new Set(names)].filter((name) => /SECRET|TOKEN|SEED|PASSWORD|KEY/.test(name)).sort()).toEqual([
      "OUTERLOOP_SECRETS",
      "SST_KEY",
      "SST_KEY_FILE",
    ]);
    expect(inputsOf("ssm/parameter:Parameter")).toEqual([]);
  });

  it("of the API alone knows the name that peers sign and the roles that sign tickets", () => {
    const roles = ["UploadTickets", "ReadTickets"].map((name) =>
      roleArn(deployment.named("iam/role:Role", name)),
    );
    expect(environmentOf("Api")).toMatchObject({
      OUTERLOOP_AUTHORITY: `a1b2c3.execute-api.${REGION}.amazonaws.com`,
      OUTERLOOP_UPLOAD_ROLE: roles[0],
      OUTERLOOP_READ_ROLE: roles[1],
    });
    expect(environmentOf("Api")).not.toHaveProperty("OUTERLOOP_PUBLIC_URL");
    for (const title of ["Decide", "Shards", "Sweep"])
      expect(Object.keys(environmentOf(title)).filter((name) => /AUTHORITY|ROLE|PUBLIC/.test(name))).toEqual(
        [],
      );
  });
});

describe("permissions", () => {
  const AWS_LOGS = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

  it("belong to seven roles: a function's each, a kind of ticket's each, the schedule's", () => {
    expect(
      deployment
        .ofType("iam/role:Role")
        .map(({ name }) => name)
        .sort(),
    ).toEqual([
      "ApiRole",
      "DecideRole",
      "EveryMinuteRole",
      "ReadTickets",
      "ShardsRole",
      "SweepRole",
      "UploadTickets",
    ]);
    for (const title of TITLES)
      expect(lambda(title).inputs.role).toBe(roleArn(deployment.named("iam/role:Role", `${title}Role`)));
  });

  it("are never everything: no action and no resource is a lone star, nor a whole service or bucket", () => {
    const { looked, wide } = wideStatements(deployment, "test");
    expect(looked).toBeGreaterThan(20);
    expect(wide).toEqual([]);
  });

  it("fit into what IAM takes: 10,240 characters of inline policy a role", () => {
    for (const { name, inputs } of deployment.ofType("iam/role:Role")) {
      const [{ policy } = { policy: "" }] = inputs.inlinePolicies as { policy: string }[];
      expect({ name, fits: policy.length < 8_000 }).toEqual({ name, fits: true });
    }
  });

  it("come from AWS's own policies in one case: functions write logs", () => {
    const managed = Object.fromEntries(
      deployment
        .ofType("iam/role:Role")
        .map(({ name, inputs }) => [name, inputs.managedPolicyArns ?? []] as const)
        .filter(([, arns]) => (arns as unknown[]).length > 0),
    );
    expect(managed).toEqual(Object.fromEntries(TITLES.map((title) => [`${title}Role`, [AWS_LOGS]])));
    expect(inputsOf("iam/rolePolicyAttachment:RolePolicyAttachment")).toEqual([]);
    expect(inputsOf("iam/rolePolicy:RolePolicy")).toEqual([]);
  });

  it("of tickets are lent to the API's function and to nobody else", () => {
    const api = roleArn(deployment.named("iam/role:Role", "ApiRole"));
    for (const name of ["UploadTickets", "ReadTickets"]) {
      const role = deployment.named("iam/role:Role", name);
      expect(readPolicy(role.inputs.assumeRolePolicy).Statement).toEqual([
        { Effect: "Allow", Principal: { AWS: [api] }, Action: ["sts:AssumeRole"] },
      ]);
    }
  });

  it("of functions are lent to Lambda and to nobody else", () => {
    for (const title of TITLES) {
      const role = deployment.named("iam/role:Role", `${title}Role`);
      expect(readPolicy(role.inputs.assumeRolePolicy).Statement).toMatchObject([
        { Effect: "Allow", Principal: { Service: ["lambda.amazonaws.com"] }, Action: ["sts:AssumeRole"] },
      ]);
    }
  });
});

describe("the API", () => {
  it("lets a hundred peers take sixteen shards each, all at once, within seconds, and keeps a log of its requests", () => {
    expect(deployment.named("apigatewayv2/stage:Stage", "GatewayStage").inputs).toMatchObject({
      name: "$default",
      defaultRouteSettings: { throttlingRateLimit: 500, throttlingBurstLimit: 1_000 },
      accessLogSettings: { destinationArn: expect.stringContaining("outerloop-test-Gateway") },
    });
  });

  it("answers pages of other origins that only look", () => {
    expect(deployment.named("apigatewayv2/api:Api", "GatewayApi").inputs).toMatchObject({
      protocolType: "HTTP",
      corsConfiguration: { allowMethods: ["GET"], allowOrigins: ["*"] },
    });
  });

  it("sends every request to its function, and ends before the gateway gives up", () => {
    expect(inputsOf("apigatewayv2/route:Route")).toMatchObject([{ routeKey: "$default" }]);
    expect(inputsOf("apigatewayv2/integration:Integration")).toMatchObject([
      {
        integrationUri: arnOf("aws:lambda/function:Function", lambdaName("Api")),
        payloadFormatVersion: "2.0",
      },
    ]);
    expect(lambda("Api").inputs.timeout).toBeLessThan(30);
  });
});

describe("the sweep", () => {
  it("runs every minute, and again where its start fails, but not where it failed itself", () => {
    expect(inputsOf("scheduler/schedule:Schedule")).toMatchObject([
      {
        scheduleExpression: "rate(1 minute)",
        state: "ENABLED",
        target: {
          arn: arnOf("aws:lambda/function:Function", lambdaName("Sweep")),
          retryPolicy: { maximumRetryAttempts: 2 },
        },
      },
    ]);
    expect(inputsOf("lambda/functionEventInvokeConfig:FunctionEventInvokeConfig")).toMatchObject([
      { functionName: lambdaName("Sweep"), maximumRetryAttempts: 0 },
    ]);
  });
});

describe("alarms", () => {
  const alarms = () => deployment.ofType("cloudwatch/metricAlarm:MetricAlarm");
  const about = ({ inputs }: Declared) => Object.values(inputs.dimensions as Record<string, string>)[0];
  const of = (metric: string) =>
    alarms()
      .filter(({ inputs }) => inputs.metricName === metric)
      .map(about)
      .sort();

  it("watch every dead-letter queue for its first message", () => {
    expect(of("ApproximateNumberOfMessagesVisible")).toEqual(
      ["jobs-dead", "shards-dead", "ticks-dead"].map((name) => `outerloop-test-${name}`),
    );
    for (const { inputs } of alarms())
      if (inputs.metricName === "ApproximateNumberOfMessagesVisible")
        expect(inputs).toMatchObject({
          threshold: 1,
          comparisonOperator: "GreaterThanOrEqualToThreshold",
          statistic: "Maximum",
        });
  });

  it("watch every queue for messages that wait too long; a delayed tick may be 15 minutes old", () => {
    expect(of("ApproximateAgeOfOldestMessage")).toEqual(
      ["jobs", "shards", "ticks"].map((name) => `outerloop-test-${name}`),
    );
    expect(
      deployment.named("cloudwatch/metricAlarm:MetricAlarm", "TicksAgeAlarm").inputs.threshold,
    ).toBeGreaterThan(900);
  });

  it("watch every function for errors and throttles, and the sweep for silence", () => {
    const names = TITLES.map(lambdaName).sort();
    expect(of("Errors")).toEqual(names);
    expect(of("Throttles")).toEqual(names);
    expect(deployment.named("cloudwatch/metricAlarm:MetricAlarm", "SweepSilentAlarm").inputs).toMatchObject({
      comparisonOperator: "LessThanThreshold",
      threshold: 1,
      treatMissingData: "breaching",
      dimensions: { FunctionName: lambdaName("Sweep") },
    });
  });

  it("hear of a sweep that fails every minute: it runs no more than five times in their period", () => {
    const { threshold, period } = deployment.named(
      "cloudwatch/metricAlarm:MetricAlarm",
      "SweepErrorsAlarm",
    ).inputs;
    expect({ threshold, period }).toEqual({ threshold: 3, period: 300 });
  });

  it("watch what the API answers: errors that it catches end no function", () => {
    expect(deployment.named("cloudwatch/metricAlarm:MetricAlarm", "ApiAnswersAlarm").inputs).toMatchObject({
      namespace: "AWS/ApiGateway",
      metricName: "5xx",
      dimensions: { ApiId: deployment.named("apigatewayv2/api:Api", "GatewayApi").inputs.name },
      statistic: "Sum",
      comparisonOperator: "GreaterThanOrEqualToThreshold",
    });
  });

  it("are sixteen, as the costs in docs/operating.md say", () => {
    expect(alarms()).toHaveLength(16);
  });

  it("go to one topic, which nobody hears until an address is given", () => {
    const [topic] = deployment.ofType("sns/topic:Topic");
    const arn = topic && arnOf(topic.type, topic.name);
    for (const { inputs } of alarms()) expect(inputs.alarmActions).toEqual([arn]);
    expect(inputsOf("sns/topicSubscription:TopicSubscription")).toEqual([]);
  });
});

describe("what is not asked for", () => {
  it("is not there: no CDN, no GPU pool, no domain", () => {
    const types = deployment.resources.map(({ type }) => type);
    expect(types.filter((type) => /cloudfront|autoscaling|ec2|ecs|acm|route53/.test(type))).toEqual([]);
  });
});

describe("the stage", () => {
  it("of anybody's own is removed with everything in it", () => {
    expect(deployment.app).toEqual({ name: "outerloop", removal: "remove", protect: false, region: REGION });
    expect(inputsOf("s3/bucket:Bucket")).toMatchObject([{ forceDestroy: true }]);
  });

  it("ends with the commands to type next, none of which works on a stage as if it were a box", () => {
    const commands = Object.values(deployment.outputs).join("\n");
    expect(commands).not.toMatch(/npm start|provision|coordinator --store/);
    expect(deployment.outputs).toMatchObject({
      bucket: "outerloop-test-store",
      coordinator: `https://a1b2c3.execute-api.${REGION}.amazonaws.com`,
      next1: expect.stringContaining("doctor --bucket outerloop-test-store --name outerloop-test"),
      next3: expect.stringContaining("--secrets ssm:/outerloop/test"),
      next4: expect.stringContaining("evaluator --coordinator https://a1b2c3"),
    });
  });
});
