import { beforeAll, describe, expect, it } from "vitest";
import { arnOf } from "./testing/account.ts";
import { type Deployment, declare } from "./testing/deployment.ts";
import { bucketArnOf, bucketPolicyOf, inlinePolicy, roleArn } from "./testing/iam-matrix.ts";
import { isAllowed } from "./testing/policy.ts";
import { wideStatements } from "./testing/wide-statements.ts";

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
    const logs = inputsOf("cloudwatch/logGroup:LogGroup");
    // Of four functions, the gateway and the evaluators.
    expect(logs.map(({ retentionInDays }) => retentionInDays)).toEqual(Array(6).fill(365));
    expect(
      inputsOf("lambda/eventSourceMapping:EventSourceMapping").map(({ scalingConfig }) => scalingConfig),
    ).toEqual(expect.arrayContaining([{ maximumConcurrency: 2 }, { maximumConcurrency: 300 }]));
    expect(inputsOf("sns/topicSubscription:TopicSubscription")).toMatchObject([
      { protocol: "email", endpoint: "operator@example.org" },
    ]);
  });

  it("of the shard size set memory and time of the functions, and how long their messages are hidden", () => {
    const { memorySize, timeout } = functionInputs("Shards");
    expect(memorySize).toBeGreaterThan(4_000);
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
  const alarm = (name: string) => deployment.named("cloudwatch/metricAlarm:MetricAlarm", name).inputs;
  const inJobs = (name: string) => ({
    metricName: `ApproximateNumberOfMessages${name}`,
    dimensions: { QueueName: "outerloop-production-jobs" },
  });
  const container = () => {
    const { inputs } = deployment.named("ecs/taskDefinition:TaskDefinition", "Evaluator");
    const [only, ...others] = JSON.parse(String(inputs.containerDefinitions));
    expect(others).toEqual([]);
    return only;
  };

  it("is none or all: each alarm sets one size, whatever it was, so that nothing can pile up or stick", () => {
    expect(inputsOf("autoscaling/group:Group")).toMatchObject([{ minSize: 0, maxSize: 3 }]);
    // A deploy must not change what the alarms have set.
    expect(inputsOf("autoscaling/group:Group")[0]).not.toHaveProperty("desiredCapacity");
    const sizes = deployment.ofType("autoscaling/policy:Policy").map(({ type, name, inputs }) => {
      expect(inputs).toMatchObject({
        policyType: "SimpleScaling",
        adjustmentType: "ExactCapacity",
        autoscalingGroupName: "GpuMachines",
      });
      const [own] = ["JobsWaiting", "JobsDone"].filter((one) => name === `${one}Size`);
      expect(alarm(String(own)).alarmActions).toEqual([arnOf(type, name)]);
      return [own, inputs.scalingAdjustment];
    });
    expect(Object.fromEntries(sizes)).toEqual({ JobsWaiting: 3, JobsDone: 0 });
    // A change of state happens once and may be missed; an action of Auto Scaling is repeated every minute.
    expect(inputsOf("cloudwatch/eventRule:EventRule")).toEqual([]);
  });

  it("starts when jobs have waited for three minutes", () => {
    expect(alarm("JobsWaiting")).toMatchObject({
      metricQueries: [{ metric: inJobs("Visible"), returnData: true }],
      evaluationPeriods: 3,
      comparisonOperator: "GreaterThanOrEqualToThreshold",
      threshold: 1,
      treatMissingData: "notBreaching",
    });
  });

  it("ends when for a quarter of an hour no job waited and nobody worked on one, or nobody asked for any", () => {
    expect(alarm("JobsDone")).toMatchObject({
      metricQueries: [
        { id: "visible", metric: inJobs("Visible") },
        { id: "leased", metric: inJobs("NotVisible") },
        { expression: "visible + leased", returnData: true },
      ],
      evaluationPeriods: 15,
      comparisonOperator: "LessThanThreshold",
      threshold: 1,
      treatMissingData: "breaching",
    });
  });

  it("runs one evaluator on each machine, and makes room for the next before it starts it", () => {
    expect(inputsOf("ecs/service:Service")).toMatchObject([
      {
        name: "evaluators",
        schedulingStrategy: "DAEMON",
        launchType: "EC2",
        deploymentMinimumHealthyPercent: 0,
        cluster: arnOf("aws:ecs/cluster:Cluster", "outerloop-production"),
        taskDefinition: arnOf("aws:ecs/taskDefinition:TaskDefinition", "Evaluator"),
      },
    ]);
    const { userData } = deployment.named("ec2/launchTemplate:LaunchTemplate", "GpuMachine").inputs;
    expect(Buffer.from(String(userData), "base64").toString()).toContain(
      "\nECS_CLUSTER=outerloop-production\n",
    );
  });

  it("gives an evaluator its own key and the coordinator's address, and no role", () => {
    expect(container()).toMatchObject({
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
      resourceRequirements: [{ type: "GPU", value: "1" }],
    });
    expect(
      deployment.named("ecs/taskDefinition:TaskDefinition", "Evaluator").inputs.taskRoleArn,
    ).toBeUndefined();
  });

  it("keeps the role of its machines from the containers on them", () => {
    expect(deployment.named("ec2/launchTemplate:LaunchTemplate", "GpuMachine").inputs).toMatchObject({
      metadataOptions: { httpTokens: "required", httpPutResponseHopLimit: 1 },
    });
    expect(deployment.named("ecs/taskDefinition:TaskDefinition", "Evaluator").inputs.networkMode).toBe(
      "bridge",
    );
    const machine = deployment.named("iam/role:Role", "GpuMachineRole").inputs;
    expect(machine.inlinePolicies).toBeUndefined();
    expect(machine.managedPolicyArns).toEqual([
      "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role",
    ]);
  });

  it("starts an evaluator with a role that may read the key, write the log and pull the image, for it does all three", () => {
    const role = deployment.named("iam/role:Role", "EvaluatorStartRole");
    expect(deployment.named("ecs/taskDefinition:TaskDefinition", "Evaluator").inputs.executionRoleArn).toBe(
      roleArn(role),
    );
    const allowed = (action: string, resource: string) =>
      isAllowed({ caller: { role: roleArn(role) }, action, resource }, { identity: [inlinePolicy(role)] });
    const { type, name } = deployment.named("cloudwatch/logGroup:LogGroup", "EvaluatorLog");
    const stream = `${arnOf(type, name)}:log-stream:evaluator/1`;
    const repository = "arn:aws:ecr:eu-west-1:123456789012:repository/evaluator";
    expect(container().logConfiguration.options).toMatchObject({
      "awslogs-group": name,
      "awslogs-region": "eu-west-1",
    });
    expect(
      [
        ["ssm:GetParameters", container().secrets[0].valueFrom],
        ["logs:CreateLogStream", stream],
        ["logs:PutLogEvents", stream],
        ["ecr:GetAuthorizationToken", "*"],
        ["ecr:BatchCheckLayerAvailability", repository],
        ["ecr:BatchGetImage", repository],
        ["ecr:GetDownloadUrlForLayer", repository],
      ].filter(([action = "", resource]) => !allowed(action, resource)),
    ).toEqual([]);
    expect(allowed("ssm:GetParameters", "arn:aws:ssm:eu-west-1:123456789012:parameter/other")).toBe(false);
    expect(allowed("logs:PutLogEvents", "arn:aws:logs:eu-west-1:123456789012:log-group:other:x")).toBe(false);
    expect(allowed("ecr:BatchGetImage", `${repository}-2`)).toBe(false);
  });

  it("has one lone star in all its policies: a token for ECR is about no resource", () => {
    expect(wideStatements(deployment, "production").wide).toEqual([
      "EvaluatorStartRole: ecr:GetAuthorizationToken on *",
    ]);
  });

  it("gets its key from a file, may get another one, and starts again with it", () => {
    const { poolKey, poolRestart } = deployment.outputs;
    expect(poolKey).toMatch(/--overwrite .*--value file:\/\/\.outerloop-evaluator\/key$/);
    expect(poolKey).not.toContain("$(");
    expect(poolRestart).toMatch(
      /--cluster outerloop-production --service evaluators --force-new-deployment$/,
    );
  });

  it("is reached by nobody", () => {
    expect(inputsOf("ec2/securityGroup:SecurityGroup")).toMatchObject([{ egress: [{ protocol: "-1" }] }]);
    expect(inputsOf("ec2/securityGroup:SecurityGroup")[0]?.ingress).toBeUndefined();
  });
});
