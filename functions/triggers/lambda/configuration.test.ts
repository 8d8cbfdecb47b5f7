import { describe, expect, it } from "vitest";
import { readApiConfiguration, readConfiguration } from "./configuration.ts";

const queues = ["TICKS", "SHARDS", "JOBS"].flatMap((name) => [
  [`OUTERLOOP_${name}_QUEUE`, `https://sqs.eu-west-1.amazonaws.com/123456789012/${name}`],
  [`OUTERLOOP_${name}_DEAD`, `https://sqs.eu-west-1.amazonaws.com/123456789012/${name}-dead`],
]);
const complete: Record<string, string> = {
  AWS_REGION: "eu-west-1",
  OUTERLOOP_BUCKET: "runs",
  OUTERLOOP_SECRETS: "ssm:/outerloop/production",
  ...Object.fromEntries(queues),
};
const completeApi = { ...complete, OUTERLOOP_AUTHORITY: "api.example.org" };

describe("the configuration of a function", () => {
  it("is read from its environment, with what may be left out left out", () => {
    expect(readConfiguration({ ...complete, OUTERLOOP_S3_ENDPOINT: "", PATH: "/bin" })).toEqual({
      region: "eu-west-1",
      bucket: "runs",
      storeEndpoint: undefined,
      queueEndpoint: undefined,
      profile: "s3",
      queues: {
        ticks: { queueUrl: complete.OUTERLOOP_TICKS_QUEUE, deadLetterUrl: complete.OUTERLOOP_TICKS_DEAD },
        shards: { queueUrl: complete.OUTERLOOP_SHARDS_QUEUE, deadLetterUrl: complete.OUTERLOOP_SHARDS_DEAD },
        jobs: { queueUrl: complete.OUTERLOOP_JOBS_QUEUE, deadLetterUrl: complete.OUTERLOOP_JOBS_DEAD },
      },
      secrets: "ssm:/outerloop/production",
    });
  });

  it("of the API has more", () => {
    const found = readApiConfiguration({ ...completeApi, OUTERLOOP_PUBLIC_URL: "https://cdn.example.org//" });
    expect(found).toMatchObject({
      authority: "api.example.org",
      publicUrl: "https://cdn.example.org",
      uploadRole: undefined,
      readRole: undefined,
      notificationToken: undefined,
    });
  });

  it("names every variable that is missing, at once", () => {
    const names = [...Object.keys(complete), "OUTERLOOP_AUTHORITY"];
    expect(() => readApiConfiguration({})).toThrow(
      expect.objectContaining({
        code: "invalid-configuration",
        details: { variables: expect.arrayContaining(names) },
      }),
    );
  });

  it.each([
    ["OUTERLOOP_TICKS_QUEUE", "outerloop-ticks"],
    ["OUTERLOOP_S3_ENDPOINT", "ftp://store"],
    ["OUTERLOOP_STORE_PROFILE", "gcs"],
    ["OUTERLOOP_SECRETS", "vault:secret"],
    ["OUTERLOOP_AUTHORITY", "https://api.example.org"],
    ["OUTERLOOP_UPLOAD_ROLE", "outerloop-upload"],
    ["OUTERLOOP_PUBLIC_URL", "cdn.example.org"],
    ["OUTERLOOP_EVENTS_TOKEN", "short secret"],
  ])("refuses a wrong %s, and keeps its value out of the log", (name, value) => {
    const read = () => readApiConfiguration({ ...completeApi, [name]: value });
    expect(read).toThrow(expect.objectContaining({ details: { variables: [name] } }));
    expect(read).toThrow(new RegExp(`${name} must`));
    expect(read).not.toThrow(value);
  });
});
