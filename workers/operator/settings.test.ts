/**
 * The pure halves of provisioning: what differs, and what is written so that settings of others stay.
 */
import type { LifecycleRule, QueueConfiguration } from "@aws-sdk/client-s3";
import { expect, it } from "vitest";
import { lineText, summaryText } from "./diff.ts";
import { incomplete, mergedRules, stands, uploads } from "./lifecycle.ts";
import { mergedNotifications, resolveNotify, tells } from "./notifications.ts";
import { allows, statementOf, withStatement } from "./queue-policy.ts";
import { differingAttributes, type QueueAttribute } from "./queues.ts";
import { type Line, notOffered, type Setting, settle } from "./setting.ts";
import { storageOptions } from "./storage-options.ts";

const PLACE = { service: "store", endpoint: "http://store" } as const;

it("a setting is applied if it differs, only said to differ in a dry run, and left alone otherwise", async () => {
  let stored = "old";
  const setting: Setting<string> = {
    name: "colour",
    read: async () => stored,
    compare: (found) => (found === "new" ? null : { sign: "~", text: `new (was ${found})` }),
    apply: async () => {
      stored = "new";
    },
  };
  expect(await settle(setting, true, PLACE)).toEqual({ sign: "~", name: "colour", text: "new (was old)" });
  expect(stored).toBe("old");
  expect(await settle(setting, false, PLACE)).toEqual({ sign: "~", name: "colour", text: "new (was old)" });
  expect(stored).toBe("new");
  expect(await settle(setting, false, PLACE)).toEqual({ sign: "=", name: "colour", text: "as wanted" });
});

it("a server that has no such setting is no error, whenever it says so", async () => {
  const answer = (status: number) =>
    Object.assign(new Error("no"), { $metadata: { httpStatusCode: status } });
  const setting = (fails: "read" | "apply", status: number): Setting<null> => ({
    name: "colour",
    read: async () => {
      if (fails === "read") throw answer(status);
      return null;
    },
    compare: () => ({ sign: "+", text: "new" }),
    apply: async () => {
      throw answer(status);
    },
  });
  for (const fails of ["read", "apply"] as const) {
    expect((await settle(setting(fails, 501), false, PLACE)).sign).toBe("not-offered");
    await expect(settle(setting(fails, 500), false, PLACE)).rejects.toMatchObject({
      code: "store-unreachable",
    });
  }
  const needed: Setting<null> = { ...setting("read", 501), isNeeded: true };
  await expect(settle(needed, false, PLACE)).rejects.toMatchObject({ name: "OuterloopError" });
  expect(lineText(await settle(notOffered("colour", "it is grey"), false, PLACE))).toBe(
    "  colour: not offered by this server; it is grey",
  );
});

it("the diff says what changed and how much was right before", () => {
  const line = (sign: Line["sign"]): Line => ({ sign, name: "x", text: "t" });
  expect([line("+"), line("~"), line("-"), line("=")].map(lineText)).toEqual([
    "+ x: t",
    "~ x: t",
    "- x: t",
    null,
  ]);
  expect(summaryText([line("="), line("not-offered"), line("=")], false)).toBe(
    "= nothing to change: 2 settings as wanted",
  );
  expect(summaryText([line("+"), line("=")], false)).toBe("= 1 setting changed, 1 as wanted before");
  expect(summaryText([line("+"), line("~")], true)).toBe(
    "= 2 settings to change, nothing was changed (--dry-run), 0 as wanted before",
  );
});

it("lifecycle rules of others stay, ours are replaced, and one that says the same will do", () => {
  const foreign: LifecycleRule = { ID: "logs", Status: "Enabled", Prefix: "logs/", Expiration: { Days: 3 } };
  const outdated: LifecycleRule = { ...uploads.rule, Expiration: { Days: 7 } };
  expect(mergedRules([foreign, outdated], [uploads, incomplete])).toEqual([
    { ID: "logs", Status: "Enabled", Filter: { Prefix: "logs/" }, Expiration: { Days: 3 } },
    uploads.rule,
    incomplete.rule,
  ]);
  const same: LifecycleRule = { ...uploads.rule, ID: "by hand" };
  expect(stands(uploads, [same])).toBe(true);
  expect(mergedRules([same], [uploads])).toEqual([same]);
  expect(stands(uploads, [{ ...same, Status: "Disabled" }])).toBe(false);
  expect(stands(uploads, [outdated])).toBe(false);
  const tagged: LifecycleRule = {
    ...same,
    Filter: { And: { Prefix: "uploads/", Tags: [{ Key: "a", Value: "b" }] } },
  };
  expect(stands(uploads, [tagged])).toBe(false);
});

it("notifications of others stay, and ours is known whoever wrote it", () => {
  const foreign: QueueConfiguration = { Id: "theirs", QueueArn: "arn:other", Events: ["s3:ObjectRemoved:*"] };
  const topic = { TopicArn: "arn:topic", Events: ["s3:ObjectCreated:Put" as const] };
  const found = { QueueConfigurations: [foreign], TopicConfigurations: [topic] };
  const merged = mergedNotifications(found, "arn:ours");
  expect(merged.TopicConfigurations).toEqual([topic]);
  const [first, ours] = merged.QueueConfigurations ?? [];
  expect(first).toEqual(foreign);
  expect(ours && tells(ours, "arn:ours")).toBe(true);
  expect(ours && tells(ours, "arn:old")).toBe(false);
  expect(tells(foreign, "arn:other")).toBe(false);
  // A second time, and to another queue: replaced, not doubled.
  expect(mergedNotifications(merged, "arn:new").QueueConfigurations).toHaveLength(2);
  expect(mergedNotifications(merged, null).QueueConfigurations).toEqual([foreign]);
});

it.each([
  ["auto", "aws", { kind: "sqs" }],
  ["auto", "localstack", { kind: "sqs" }],
  ["auto", "other", { kind: "sqs" }],
  ["auto", "minio", { kind: "webhook", target: "OUTERLOOP" }],
  ["auto", "r2", { kind: "none" }],
  ["webhook:SECOND", "minio", { kind: "webhook", target: "SECOND" }],
  ["none", "aws", { kind: "none" }],
] as const)("notify %s at %s", (notify, server, resolved) => {
  expect(resolveNotify(storageOptions({ notify }), server)).toEqual(resolved);
});

it("the queue's policy lets one bucket of one account send, and keeps other statements", () => {
  const statement = statementOf("arn:aws-cn:sqs:cn-north-1:123456789012:outerloop-shards", "runs");
  expect(statement).toMatchObject({
    Principal: { Service: "s3.amazonaws.com" },
    Action: "sqs:SendMessage",
    Resource: "arn:aws-cn:sqs:cn-north-1:123456789012:outerloop-shards",
    Condition: {
      ArnEquals: { "aws:SourceArn": "arn:aws-cn:s3:::runs" },
      StringEquals: { "aws:SourceAccount": "123456789012" },
    },
  });
  const renamed = { ...statement, Sid: "by a deployment" };
  expect(allows({ Version: "2012-10-17", Statement: [renamed] }, statement)).toBe(true);
  const another = { ...statement, Resource: "arn:aws-cn:sqs:cn-north-1:123456789012:other" };
  expect(allows({ Version: "2012-10-17", Statement: [another] }, statement)).toBe(false);
  const foreign = { Sid: "theirs", Effect: "Deny" };
  const once = withStatement({ Version: "2012-10-17", Statement: [foreign] }, statement);
  expect(withStatement(once, statement).Statement).toEqual([foreign, statement]);
});

it("attributes of a queue are compared by what they mean", () => {
  const attribute: QueueAttribute = {
    name: "VisibilityTimeout",
    label: "visibility",
    wanted: "60 s",
    says: (value) => `${value} s`,
    value: async () => "60",
  };
  expect(differingAttributes([attribute], { VisibilityTimeout: "60" })).toEqual([]);
  expect(differingAttributes([attribute], { VisibilityTimeout: "30" })).toMatchObject([
    { text: "visibility 60 s (was 30 s)" },
  ]);
});
