import { describe, expect, it } from "vitest";
import { isAllowed, type Request, readPolicy } from "./policy.ts";

const policy = (...Statement: object[]) => readPolicy(JSON.stringify({ Version: "2012-10-17", Statement }));
const allowAll = policy({ Effect: "Allow", Action: "s3:*", Resource: "*" });
const put = (key: string, context: Record<string, string> = {}): Request => ({
  caller: { role: "arn:aws:iam::1:role/writer" },
  action: "s3:PutObject",
  resource: `arn:aws:s3:::store/${key}`,
  context,
});

describe("a request", () => {
  it("is refused unless a statement allows it", () => {
    expect(isAllowed(put("a"), {})).toBe(false);
    expect(isAllowed(put("a"), { identity: [allowAll] })).toBe(true);
  });

  it("is refused by one Deny, wherever it stands", () => {
    const deny = { Effect: "Deny", Action: ["s3:PutObject"], Resource: ["arn:aws:s3:::store/a"] };
    expect(isAllowed(put("a"), { identity: [allowAll, policy(deny)] })).toBe(false);
    expect(
      isAllowed(put("a"), { identity: [allowAll], resource: [policy({ ...deny, Principal: "*" })] }),
    ).toBe(false);
    expect(isAllowed(put("b"), { identity: [allowAll, policy(deny)] })).toBe(true);
  });

  it.each([
    ["public/*/head.json", "public/run/head.json", true],
    ["public/*/head.json", "public/run/rounds/1/head.json", true],
    ["public/*/head.json", "public/run/head.json.bak", false],
    ["public/run.1/*", "public/run21/x", false],
    ["a?c", "abc", true],
    ["a?c", "a/bc", false],
  ])("for a resource matches %s with %s: %s", (pattern, key, allowed) => {
    const identity = [
      policy({ Effect: "Allow", Action: "s3:PutObject", Resource: `arn:aws:s3:::store/${pattern}` }),
    ];
    expect(isAllowed(put(key), { identity })).toBe(allowed);
  });

  it.each([
    ["Null true, key absent", { Null: { "s3:if-none-match": "true" } }, {}, true],
    ["Null true, key present", { Null: { "s3:if-none-match": "true" } }, { "s3:if-none-match": "*" }, false],
    ["Null of two keys, one present", { Null: { a: "true", b: "true" } }, { b: "x" }, false],
    [
      "Bool, other value",
      { Bool: { "aws:SecureTransport": "false" } },
      { "aws:SecureTransport": "true" },
      false,
    ],
    ["Bool, key absent", { Bool: { "aws:SecureTransport": "false" } }, {}, false],
    [
      "a key in other letters",
      { StringEquals: { "AWS:SourceAccount": "1" } },
      { "aws:sourceaccount": "1" },
      true,
    ],
    [
      "an ARN with a wildcard",
      { ArnEquals: { "aws:SourceArn": "arn:aws:s3:::s*" } },
      { "aws:SourceArn": "arn:aws:s3:::store" },
      true,
    ],
    ["two operators, one fails", { Bool: { a: "true" }, Null: { a: "true" } }, { a: "true" }, false],
  ])("under a condition: %s", (_, Condition, context, denied) => {
    const deny = policy({ Effect: "Deny", Action: "s3:PutObject", Resource: "*", Condition });
    expect(isAllowed(put("a", context), { identity: [allowAll, deny] })).toBe(!denied);
  });

  it("outside NotResource alone meets the statement", () => {
    const deny = policy({
      Effect: "Deny",
      Action: "s3:PutObject",
      NotResource: "arn:aws:s3:::store/views/*",
    });
    expect(isAllowed(put("a"), { identity: [allowAll, deny] })).toBe(false);
    expect(isAllowed(put("views/a"), { identity: [allowAll, deny] })).toBe(true);
  });

  it("meets a resource policy only if that names the caller", () => {
    const resource = [
      policy({
        Effect: "Allow",
        Principal: { Service: "s3.amazonaws.com" },
        Action: "s3:PutObject",
        Resource: "*",
      }),
    ];
    expect(isAllowed(put("a"), { resource })).toBe(false);
    expect(isAllowed({ ...put("a"), caller: "anybody" }, { resource })).toBe(false);
    expect(isAllowed({ ...put("a"), caller: { service: "s3.amazonaws.com" } }, { resource })).toBe(true);
  });
});

describe("a policy", () => {
  it.each([
    ["an element", { NotAction: "s3:GetObject" }],
    ["a condition operator", { Condition: { IpAddress: { "aws:SourceIp": "10.0.0.0/8" } } }],
    ["a kind of principal", { Principal: { Federated: "x" } }],
  ])("with %s that is not honoured here is an error", (_, element) => {
    expect(() => policy({ Effect: "Allow", Action: "s3:GetObject", Resource: "*", ...element })).toThrow();
  });
});
