import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Deployment, declare } from "./testing/deployment.ts";
import {
  asMarkdown,
  asText,
  bucketArnOf,
  bucketPolicyOf,
  type Matrix,
  objectMatrix,
  queueMatrix,
  secretMatrix,
} from "./testing/iam-matrix.ts";
import { isAllowed, type Policy } from "./testing/policy.ts";

let deployment: Deployment;
beforeAll(async () => {
  deployment = await declare("test");
});

const printed: Matrix[] = [];
/** Compares a matrix with one written by hand; its columns stand two spaces apart, or more. */
function check(matrix: Matrix, table: string): void {
  printed.push(matrix);
  const [columns = [], ...rows] = table
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => line.trim().split(/ {2,}/));
  const expected = Object.fromEntries(rows.map(([name, ...cells]) => [name, cells]));
  expect({ columns: matrix.columns, rows: matrix.rows }).toEqual({ columns, rows: expected });
}

describe("who may do what", () => {
  // r read, c create once, s swap, w write without a condition, d delete, l list. Nobody has a w, and nobody but an
  // administrator can take a fact away.
  it("with objects", () => {
    check(
      objectMatrix(deployment),
      `
                                                              decide  shards  api  sweep  upload  read  admin  anybody
      the bucket                                              l       l       l    l      -       l     l      -
      public/{run}/head.json                                  rcs     r       r    rcs    -       r     rcsd   -
      public/{run}/genesis.json                               r       r       r    r      -       r     rcd    -
      public/{run}/controls/00000001.json                     r       r       r    r      -       r     rcd    -
      public/{run}/data/index.json                            r       r       r    r      -       r     rcd    -
      public/{run}/data/00000.bin                             r       r       r    r      -       r     rcd    -
      public/{run}/peers/{peer}.json                          r       r       rc   r      -       r     rcd    -
      public/{run}/rounds/00000001/intents/{peer}.json        r       r       rc   r      -       r     rcd    -
      public/{run}/rounds/00000001/roster.json                rc      r       r    rc     -       r     rcd    -
      public/{run}/rounds/00000001/cutoff.json                rc      r       r    rc     -       r     rcd    -
      public/{run}/rounds/00000001/close.json                 rc      r       r    rc     -       r     rcd    -
      public/{run}/rounds/00000001/selection.json             rc      r       r    rc     -       r     rcd    -
      public/{run}/rounds/00000001/aggregates/selected/00000.sla  r       rc      r    r      -       r     rcd    -
      public/{run}/rounds/00000001/manifest.json              rc      r       r    rc     -       r     rcd    -
      public/{run}/rounds/00000001/receipts/00000.json        rc      r       r    rc     -       r     rcd    -
      public/{run}/rounds/00000001/ledger/00000.json          rc      r       r    rc     -       r     rcd    -
      public/{run}/rounds/00000001/held-out/{evaluator}.json  r       r       rc   r      -       r     rcd    -
      public/{run}/states/00000001/00000.f32                  r       rc      r    r      -       r     rcd    -
      public/{run}/states/00000001.json                       r       rc      r    r      -       r     rcd    -
      uploads/{run}/00000001/{peer}/00000.slc                 -       r       -    -      c       r     rcd    -
      sealed/{run}/00000001/{peer}/commit.json                r       r       rc   r      -       r     rcd    -
      sealed/{run}/00000001/{peer}/00000.check.json           r       rc      r    r      -       r     rcd    -
      sealed/{run}/00000001/{peer}/submission.json            r       rc      r    r      -       r     rcd    -
      sealed/{run}/00000001/reports/{job}/{evaluator}.json    r       r       rc   r      -       r     rcd    -
      sealed/{run}/00000001/aggregates/selected/00000.json    r       rc      r    r      -       r     rcd    -
      sealed/{run}/00000001/guards/selected/{evaluator}.json  r       r       rc   r      -       r     rcd    -
      sealed/{run}/00000001/states/00000.json                 r       rc      r    r      -       r     rcd    -
      active/{run}                                            -       -       r    d      -       -     rcd    -
      views/{run}/status.json                                 -       -       r    rcs    -       r     rcsd   -
      anything/else                                           -       -       -    -      -       -     rcd    -`,
    );
  });

  // s send, r receive, v change visibility, a acknowledge, p purge
  it("with queues", () => {
    check(
      queueMatrix(deployment),
      `
                   decide  shards  api  sweep  upload  read  our bucket  another bucket  another account
      ticks        srva    s       s    s      -       -     -           -               -
      ticks-dead   s       -       -    -      -       -     -           -               -
      shards       s       rva     -    s      -       -     s           -               -
      shards-dead  -       s       -    -      -       -     -           -               -
      jobs         s       -       srva  s      -       -     -           -               -
      jobs-dead    -       -       -    -      -       -     -           -               -`,
    );
  });

  // r read, w write, a assume
  it("with secrets and roles", () => {
    check(
      secretMatrix(deployment, "test"),
      `
                                         decide  shards  api  sweep  upload  read
      /outerloop/test/coordinator/{run}  r       r       -    r      -       -
      /outerloop/test/api/{run}          -       -       r    -      -       -
      /outerloop/test/evaluator/key      -       -       -    -      -       -
      the role upload                    -       -       a    -      -       -
      the role read                      -       -       a    -      -       -`,
    );
  });

  afterAll(() => {
    console.log(printed.map(asText).join("\n\n"));
    const path = process.env.OUTERLOOP_WRITE_MATRIX;
    if (path !== undefined) writeFileSync(path, `${printed.map(asMarkdown).join("\n\n")}\n`);
  });
});

describe("an upload in parts", () => {
  const allowAll: Policy = {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: ["s3:*"], Resource: ["*"] }],
  };
  const put = (context: Record<string, string>) =>
    isAllowed(
      {
        caller: { role: "arn:aws:iam::1:role/any" },
        action: "s3:PutObject",
        resource: `${bucketArnOf(deployment)}/public/run/states/00000001/00000.f32`,
        context: { "aws:SecureTransport": "true", ...context },
      },
      { identity: [allowAll], resource: [bucketPolicyOf(deployment)] },
    );

  it("begins and sends its parts without the header, which they cannot have", () => {
    expect(put({ "s3:ObjectCreationOperation": "false" })).toBe(true);
  });

  it("is completed with the header or not at all", () => {
    expect(put({ "s3:ObjectCreationOperation": "true", "s3:if-none-match": "*" })).toBe(true);
    expect(put({ "s3:ObjectCreationOperation": "true" })).toBe(false);
  });

  it("over plain HTTP is refused", () => {
    expect(put({ "s3:ObjectCreationOperation": "false", "aws:SecureTransport": "false" })).toBe(false);
  });
});
