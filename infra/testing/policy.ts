/**
 * Decides requests as IAM would, as far as our policies go: identity policies, resource policies, `Deny` before
 * `Allow`, wildcards, and the conditions we use. What it does not know is an error, so that no statement is skipped.
 *
 * @module
 */
import { z } from "zod";

const oneOrMore = z.union([z.string().transform((one) => [one]), z.array(z.string())]);
const principal = z.union([
  z.literal("*"),
  z.strictObject({ AWS: oneOrMore.exactOptional(), Service: oneOrMore.exactOptional() }),
]);

const statement = z.strictObject({
  Sid: z.string().exactOptional(),
  Effect: z.enum(["Allow", "Deny"]),
  Principal: principal.exactOptional(),
  Action: oneOrMore,
  Resource: oneOrMore.exactOptional(),
  NotResource: oneOrMore.exactOptional(),
  Condition: z
    .partialRecord(z.enum(["Bool", "Null", "StringEquals", "ArnEquals"]), z.record(z.string(), oneOrMore))
    .exactOptional(),
});
const policy = z.strictObject({ Version: z.literal("2012-10-17"), Statement: z.array(statement) });

export type Statement = z.infer<typeof statement>;
export type Policy = z.infer<typeof policy>;

/** Who asks: a role by its ARN, or an AWS service. */
export type Caller = { role: string } | { service: string } | "anybody";

export interface Request {
  caller: Caller;
  action: string;
  resource: string;
  /** Condition keys that the request carries. One that is absent is absent in AWS, too. */
  context?: Readonly<Record<string, string>>;
}

/** Reads the text of a policy; throws on an element that {@link isAllowed} would not honour. */
export function readPolicy(text: unknown): Policy {
  return policy.parse(JSON.parse(String(text)));
}

/** Policies of the caller and of the resource: one `Deny` refuses, else one `Allow` of either suffices. */
export function isAllowed(
  request: Request,
  { identity = [], resource = [] }: { identity?: readonly Policy[]; resource?: readonly Policy[] },
): boolean {
  const applying = [
    ...identity.flatMap(({ Statement }) => Statement.filter((one) => applies(one, request))),
    ...resource.flatMap(({ Statement }) =>
      Statement.filter((one) => isNamed(one.Principal, request.caller) && applies(one, request)),
    ),
  ];
  return (
    applying.some(({ Effect }) => Effect === "Allow") && !applying.some(({ Effect }) => Effect === "Deny")
  );
}

function applies({ Action, Resource, NotResource, Condition = {} }: Statement, request: Request): boolean {
  const inScope =
    NotResource === undefined
      ? (Resource ?? []).some((pattern) => matches(pattern, request.resource))
      : !NotResource.some((pattern) => matches(pattern, request.resource));
  const context = new Map(
    Object.entries(request.context ?? {}).map(([key, value]) => [key.toLowerCase(), value]),
  );
  return (
    Action.some((pattern) => matches(pattern.toLowerCase(), request.action.toLowerCase())) &&
    inScope &&
    Object.entries(Condition).every(([operator, keys]) =>
      Object.entries(keys).every(([key, wanted]) => holds(operator, context.get(key.toLowerCase()), wanted)),
    )
  );
}

function holds(operator: string, found: string | undefined, wanted: readonly string[]): boolean {
  switch (operator) {
    case "Null":
      return wanted.includes(String(found === undefined));
    case "Bool":
    case "StringEquals":
      return found !== undefined && wanted.includes(found);
    case "ArnEquals":
      return found !== undefined && wanted.some((pattern) => matches(pattern, found));
    default:
      throw new Error(`the condition operator ${operator} is not known here`);
  }
}

function isNamed(named: Statement["Principal"], caller: Caller): boolean {
  if (named === undefined) throw new Error("a resource policy must say whom it is about");
  if (named === "*") return true;
  if (caller === "anybody") return false;
  return "role" in caller
    ? (named.AWS?.includes(caller.role) ?? false)
    : (named.Service?.includes(caller.service) ?? false);
}

/** IAM's wildcards: `*` any text, slashes included; `?` one character. */
function matches(pattern: string, text: string): boolean {
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${expression}$`, "s").test(text);
}
