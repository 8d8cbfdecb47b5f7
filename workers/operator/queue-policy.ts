/**
 * Who may send to the shards queue besides its owner: this bucket's notifications.
 *
 * @module
 */
import { SetQueueAttributesCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { z } from "zod";
import { OuterloopError } from "../../schemas/errors.ts";
import { type FoundQueue, findQueue, requireQueue } from "./queues.ts";
import type { Setting } from "./setting.ts";

const STATEMENT_ID = "outerloop-uploads";

/** Statements are kept as they are: most are somebody else's. */
const policySchema = z.looseObject({
  Version: z.string().default("2012-10-17"),
  Statement: z.array(z.looseObject({ Sid: z.string().optional() })).default([]),
});
export type Policy = z.infer<typeof policySchema>;

export function queuePolicySetting(
  sqs: SQSClient,
  queue: string,
  bucket: string,
): Setting<FoundQueue | null> {
  return {
    name: `policy of queue ${queue}`,
    isNeeded: true,
    read: () => findQueue(sqs, queue),
    compare: (found) => {
      const policy = found === null ? noPolicy : readPolicy(queue, found.attributes.Policy);
      if (found !== null && allows(policy, statementOf(found.arn, bucket))) return null;
      const mine = policy.Statement.some(({ Sid }) => Sid === STATEMENT_ID);
      return { sign: mine ? "~" : "+", text: `bucket ${bucket} may send to it` };
    },
    apply: async () => {
      const { url, arn, attributes } = await requireQueue(sqs, queue);
      const policy = withStatement(readPolicy(queue, attributes.Policy), statementOf(arn, bucket));
      await sqs.send(
        new SetQueueAttributesCommand({ QueueUrl: url, Attributes: { Policy: JSON.stringify(policy) } }),
      );
    },
  };
}

/** S3 itself sends, on behalf of this bucket of this account and of no other: a bucket's name alone can change hands. */
export function statementOf(queueArn: string, bucket: string) {
  const [, partition, , , account] = queueArn.split(":");
  return {
    Sid: STATEMENT_ID,
    Effect: "Allow",
    Principal: { Service: "s3.amazonaws.com" },
    Action: "sqs:SendMessage",
    Resource: queueArn,
    Condition: {
      ArnEquals: { "aws:SourceArn": `arn:${partition}:s3:::${bucket}` },
      StringEquals: { "aws:SourceAccount": account },
    },
  };
}

/** Ours replaced or added, all others as they were. */
export function withStatement(policy: Policy, statement: ReturnType<typeof statementOf>): Policy {
  return {
    ...policy,
    Statement: [...policy.Statement.filter(({ Sid }) => Sid !== statement.Sid), statement],
  };
}

const noPolicy: Policy = { Version: "2012-10-17", Statement: [] };

function readPolicy(queue: string, text: string | undefined): Policy {
  if (text === undefined || text === "") return noPolicy;
  try {
    return policySchema.parse(JSON.parse(text));
  } catch (error) {
    const message = `expected the policy of queue ${queue} to be a list of statements, got ${text.slice(0, 200)}: mend it by hand`;
    throw new OuterloopError("unexpected-policy", message, { queue }, error);
  }
}

/** Whatever the statement is called. */
export function allows(policy: Policy, wanted: ReturnType<typeof statementOf>): boolean {
  const meaning = sorted({ ...wanted, Sid: undefined });
  return policy.Statement.some((one) => sorted({ ...one, Sid: undefined }) === meaning);
}

/** Services hand a policy back with its fields in another order. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
