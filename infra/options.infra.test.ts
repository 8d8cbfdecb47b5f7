import { beforeAll, describe, expect, it } from "vitest";
import { arnOf } from "./testing/account.ts";
import { type Deployment, declare } from "./testing/deployment.ts";
import { bucketArnOf, bucketPolicyOf, inlinePolicy, roleArn } from "./testing/iam-matrix.ts";
import { isAllowed } from "./testing/policy.ts";

let deployment: Deployment;
beforeAll(async () => {
  deployment = await declare("production", {
    OUTERLOOP_ALARM_EMAIL: "operator@example.org",
    OUTERLOOP_CDN: "on",
    OUTERLOOP_API_DOMAIN: "api.example.org",
    OUTERLOOP_API_RATE: "20",
    OUTERLOOP_API_BURST: "40",
    OUTERLOOP_LOG_RETENTION: "1 year",
    OUTERLOOP_CHUNKS_PER_SHARD: "65536",
    OUTERLOOP_SHARD_CONCURRENCY: "300",
    OUTERLOOP_GPU_EVALUATORS: "3",
    OUTERLOOP_EVALUATOR_IMAGE: "123456789012.dkr.ecr.eu-west-1.amazonaws.com/evaluator:1",
  });
});

const inputsOf = (type: string) => deployment.ofType(type).map(({ inputs }) => inputs);
const functionInputs = (title: string) =>
  deployment.named("lambda/function:Function", `${title}Function`).inputs;

describe("a production stage", () => {
  it("is protected, and its bucket outlives it with all objects", () => {
    expect(deployment.app).toMatchObject({ removal: "retain", protect: true });
    expect(inputsOf("s3/bucket:Bucket")).toMatchObject([{ forceDestroy: false }]);
  });
});

describe("settings", () => {
  it("reach throttling, logs, concurrency and the address for alarms", () => {
    expect(inputsOf("apigatewayv2/stage:Stage")).toMatchObject([
      { defaultRouteSettings: { throttlingRateLimit: 20, throttlingBurstLimit: 40 } },
    ]);
    const functionLogs = deployment
      .ofType("cloudwatch/logGroup:LogGroup")
      .filter(({ name }) => name !== "EvaluatorLog");
    for (const { inputs } of functionLogs) expect(inputs.retentionInDays).toBe(365);
    expect(
      inputsOf("lambda/eventSourceMapping:EventSourceMapping").map(({ scalingConfig }) => scalingConfig),
    ).toEqual(expect.arrayContaining([{ maximumConcurrency: 2 }, { maximumConcurrency: 300 }]));
    expect(inputsOf("sns/topicSubscription:TopicSubscription")).toMatchObject([
      { protocol: "email", endpoint: "operator@example.org" },
    ]);
  });

  it("of the shard size set memory and time of the functions, and how long their messages are hidden", () => {
    const { memorySize, timeout } = functionInputs("Shards");
    expect(memorySize).toBeGreaterThan(5_000);
    expect(timeout).toBeGreaterThan(100);
    const queue = deployment.named("sqs/queue:Queue", "ShardsQueue");
    expect(queue.inputs.visibilityTimeoutSeconds).toBe(6 * Number(timeout));
    expect(functionInputs("Decide").memorySize).toBe(1_024);
  });
});

describe("a domain of the API's own", () => {
  it("is what peers sign, so the gateway has no other name", () => {
    const { variables } = functionInputs("Api").environment as { variables: object };
    expect(variables).toMatchObject({ OUTERLOOP_AUTHORITY: "api.example.org" });
    expect(inputsOf("apigatewayv2/api:Api")).toMatchObject([{ disableExecuteApiEndpoint: true }]);
    expect(inputsOf("apigatewayv2/domainName:DomainName")).toMatchObject([{ domainName: "api.example.org" }]);
    expect(deployment.outputs).toMatchObject({ coordinator: "https://api.example.org" });
  });
});

describe("the CDN", () => {
  const [distributionType, distributionName] = ["aws:cloudfront/distribution:Distribution", "Cdn"];
  const distribution = () => deployment.named("cloudfront/distribution:Distribution", "Cdn").inputs;
  const ask = (action: string, key: string, source = arnOf(distributionType, distributionName)) =>
    isAllowed(
      {
        caller: { service: "cloudfront.amazonaws.com" },
        action,
        resource: key === "" ? bucketArnOf(deployment) : `${bucketArnOf(deployment)}/${key}`,
        context: { "aws:SecureTransport": "true", "aws:SourceArn": source },
      },
      { resource: [bucketPolicyOf(deployment)] },
    );

  it("reads what everybody may read, and nothing that is sealed", () => {
    expect(["public/run/head.json", "views/run/status.json"].map((key) => ask("s3:GetObject", key))).toEqual([
      true,
      true,
    ]);
    for (const key of ["uploads/run/1/p/0.slc", "sealed/run/1/p/commit.json", "active/run"])
      expect(ask("s3:GetObject", key)).toBe(false);
    expect(ask("s3:PutObject", "public/run/head.json")).toBe(false);
  });

  it("is ours and no other", () => {
    expect(
      ask("s3:GetObject", "public/run/head.json", "arn:aws:cloudfront::999999999999:distribution/X"),
    ).toBe(false);
  });

  it("may tell what is absent, but no path of it leads to the root of the bucket, which is a listing", () => {
    expect(ask("s3:ListBucket", "")).toBe(true);
    const { origins, orderedCacheBehaviors, defaultCacheBehavior } = distribution() as {
      origins: { originId: string; originPath?: string }[];
      orderedCacheBehaviors: { pathPattern: string; targetOriginId: string }[];
      defaultCacheBehavior: { targetOriginId: string };
    };
    const rooted = origins
      .filter(({ originPath }) => originPath === undefined)
      .map(({ originId }) => originId);
    const leading = orderedCacheBehaviors.filter(({ targetOriginId }) => rooted.includes(targetOriginId));
    expect(rooted).not.toContain(defaultCacheBehavior.targetOriginId);
    expect(leading.map(({ pathPattern }) => pathPattern)).toEqual(
      expect.arrayContaining(["/public/*", "/views/*"]),
    );
    for (const { pathPattern } of leading) expect(pathPattern).toMatch(/^\/(public|views)\//);
  });

  it("forgets the head and the views after two seconds, what is absent after one, and facts not at all", () => {
    const ttl = (name: string) => deployment.named("cloudfront/cachePolicy:CachePolicy", name).inputs.maxTtl;
    const behaviours = distribution().orderedCacheBehaviors as {
      pathPattern: string;
      cachePolicyId: string;
    }[];
    expect(
      Object.fromEntries(
        behaviours.map(({ pathPattern, cachePolicyId }) => [pathPattern, ttl(cachePolicyId)]),
      ),
    ).toEqual({ "/public/*/head.json": 2, "/views/*": 2, "/public/*": 31_536_000 });
    // The first pattern that fits counts.
    expect(behaviours.map(({ pathPattern }) => pathPattern).indexOf("/public/*/head.json")).toBe(0);
    expect(distribution().customErrorResponses).toEqual([
      { errorCode: 403, errorCachingMinTtl: 1 },
      { errorCode: 404, errorCachingMinTtl: 1 },
    ]);
  });

  it("is where the API sends readers", () => {
    const { variables } = functionInputs("Api").environment as { variables: object };
    expect(variables).toMatchObject({ OUTERLOOP_PUBLIC_URL: "https://d1.cloudfront.net" });
  });
});

describe("the GPU pool", () => {
  const job = () => {
    const { inputs } = deployment.named("batch/jobDefinition:JobDefinition", "Evaluator");
    return { ...inputs, container: JSON.parse(String(inputs.containerProperties)) };
  };

  it("scales from nothing to the machines of its evaluators", () => {
    expect(inputsOf("batch/computeEnvironment:ComputeEnvironment")).toMatchObject([
      { type: "MANAGED", computeResources: { minVcpus: 0, maxVcpus: 12 } },
    ]);
  });

  it("starts when jobs wait and nobody works on them", () => {
    const alarm = deployment.named("cloudwatch/metricAlarm:MetricAlarm", "JobsWaiting");
    expect(alarm.inputs.metricQueries).toMatchObject([
      { id: "visible", metric: { dimensions: { QueueName: "outerloop-production-jobs" } } },
      { id: "leased", metric: { dimensions: { QueueName: "outerloop-production-jobs" } } },
      { expression: "IF(visible > 0 AND leased == 0, 1, 0)", returnData: true },
    ]);
    const [rule] = inputsOf("cloudwatch/eventRule:EventRule");
    expect(JSON.parse(String(rule?.eventPattern))).toEqual({
      source: ["aws.cloudwatch"],
      "detail-type": ["CloudWatch Alarm State Change"],
      resources: [arnOf(alarm.type, alarm.name)],
      detail: { state: { value: ["ALARM"] } },
    });
    expect(inputsOf("cloudwatch/eventTarget:EventTarget")).toMatchObject([
      {
        arn: arnOf("aws:batch/jobQueue:JobQueue", "GpuJobs"),
        roleArn: roleArn(deployment.named("iam/role:Role", "GpuStarterRole")),
        batchTarget: {
          jobDefinition: arnOf("aws:batch/jobDefinition:JobDefinition", "Evaluator"),
          arraySize: 3,
        },
      },
    ]);
  });

  it("ends: a job lives an hour, and when it dies before that it is tried again", () => {
    expect(job()).toMatchObject({
      timeout: { attemptDurationSeconds: 3_600 },
      retryStrategy: { attempts: 3 },
    });
  });

  it("gives an evaluator its own key and the coordinator's address, and no role", () => {
    const { container } = job();
    expect(container).toMatchObject({
      environment: [
        { name: "OUTERLOOP_COORDINATOR", value: expect.stringMatching(/^https:/) },
        { name: "OUTERLOOP_EXECUTION_PROVIDER", value: "cuda" },
      ],
      secrets: [
        {
          name: "OUTERLOOP_EVALUATOR_KEY",
          valueFrom: "arn:aws:ssm:eu-west-1:123456789012:parameter/outerloop/production/evaluator/key",
        },
      ],
      resourceRequirements: expect.arrayContaining([{ type: "GPU", value: "1" }]),
    });
    expect(container.jobRoleArn).toBeUndefined();
  });

  it("has roles that do one thing each; only the machine's is AWS's own", () => {
    const statements = (name: string) => inlinePolicy(deployment.named("iam/role:Role", name)).Statement;
    expect(statements("GpuStarterRole")).toEqual([
      {
        Effect: "Allow",
        Action: ["batch:SubmitJob"],
        Resource: [
          arnOf("aws:batch/jobQueue:JobQueue", "GpuJobs"),
          arnOf("aws:batch/jobDefinition:JobDefinition", "Evaluator"),
        ],
      },
    ]);
    expect(statements("EvaluatorKeyRole")).toEqual([
      {
        Effect: "Allow",
        Action: ["ssm:GetParameters"],
        Resource: ["arn:aws:ssm:eu-west-1:123456789012:parameter/outerloop/production/evaluator/key"],
      },
    ]);
    const machine = deployment.named("iam/role:Role", "GpuMachineRole").inputs;
    expect(machine.inlinePolicies).toBeUndefined();
    expect(machine.managedPolicyArns).toEqual([
      "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role",
    ]);
  });

  it("is reached by nobody", () => {
    expect(inputsOf("ec2/securityGroup:SecurityGroup")).toMatchObject([{ egress: [{ protocol: "-1" }] }]);
    expect(inputsOf("ec2/securityGroup:SecurityGroup")[0]?.ingress).toBeUndefined();
  });
});
