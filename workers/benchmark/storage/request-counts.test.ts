import { describe, expect, it } from "vitest";
import { dollarsOf } from "./request-costs.ts";
import { countByRound, kindOf, linesThrough, type SeenRequest } from "./request-counts.ts";

const s3 = (method: string, url: string): SeenRequest => ({ method, url, target: undefined });
const sqs = (action: string): SeenRequest => ({ method: "POST", url: "/", target: `AmazonSQS.${action}` });
const roster = (round: number) =>
  s3("PUT", `/bucket/public/run/rounds/0000000${round}/roster.json?x-id=PutObject`);

describe("a request", () => {
  it.each([
    [s3("PUT", "/bucket/a?x-id=PutObject"), "PUT"],
    [s3("PUT", "/bucket/a?X-Amz-Expires=60&X-Amz-Signature=00"), "PUT by ticket"],
    [s3("GET", "/bucket/a?x-id=GetObject"), "GET"],
    [s3("GET", "/bucket/a?X-Amz-Signature=00&x-id=GetObject"), "GET by ticket"],
    [s3("GET", "/bucket/?list-type=2&prefix=a"), "LIST"],
    [s3("HEAD", "/bucket"), "HEAD"],
    [s3("DELETE", "/bucket/a"), "DELETE"],
    [sqs("SendMessage"), "SendMessage"],
  ])("is of a kind: %o", (request, kind) => {
    expect(kindOf(request)).toBe(kind);
  });
});

describe("counting by round", () => {
  it("begins with each roster, leaves out what has no roster before it or after it", () => {
    const counts = countByRound([
      s3("GET", "/bucket/genesis"),
      roster(1),
      s3("GET", "/bucket/a"),
      roster(2),
      s3("GET", "/bucket/a"),
      s3("GET", "/bucket/b"),
      sqs("SendMessage"),
      roster(3),
      s3("GET", "/bucket/a"),
    ]);
    expect([...counts].map(([round, count]) => [round, Object.fromEntries(count)])).toEqual([
      [1, { PUT: 1, GET: 1 }],
      [2, { PUT: 1, GET: 2, SendMessage: 1 }],
    ]);
  });

  it("does not take the loser of a race, or who reads a roster, for a new round", () => {
    const read = s3("GET", "/bucket/public/run/rounds/00000002/roster.json?x-id=GetObject");
    const counts = countByRound([roster(1), roster(1), read, roster(2)]);
    expect(Object.fromEntries(counts.get(1) ?? [])).toEqual({ PUT: 2, GET: 1 });
    expect([...counts.keys()]).toEqual([1]);
  });

  it("leaves receiving out: it goes on whether anybody sends or not", () => {
    const counts = countByRound([roster(1), sqs("ReceiveMessage"), sqs("DeleteMessage"), roster(2)]);
    expect(Object.fromEntries(counts.get(1) ?? [])).toEqual({ PUT: 1, DeleteMessage: 1 });
  });
});

describe("the line through two runs", () => {
  const counts = (figures: Record<string, number>) => new Map(Object.entries(figures));

  it("has slope and intercept: 30 + 7 a submission", () => {
    const few = { peers: 2, rounds: [counts({ PUT: 44 }), counts({ PUT: 44 })] };
    const many = { peers: 6, rounds: [counts({ PUT: 72 }), counts({ PUT: 72 })] };
    const exactly = (value: number) => ({ min: value, median: value, max: value });
    expect(linesThrough(few, many)).toEqual([
      { kind: "PUT", perSubmission: exactly(7), perRound: exactly(30) },
    ]);
  });

  it("varies as the rounds do", () => {
    const few = { peers: 2, rounds: [counts({ GET: 20 }), counts({ GET: 22 }), counts({ GET: 24 })] };
    const many = { peers: 6, rounds: [counts({ GET: 40 }), counts({ GET: 40 }), counts({ GET: 40 })] };
    expect(linesThrough(few, many)).toEqual([
      {
        kind: "GET",
        perSubmission: { min: 4, median: 4.5, max: 5 },
        perRound: { min: 10, median: 13, max: 16 },
      },
    ]);
  });

  it("knows kinds that only one of the runs has", () => {
    const few = { peers: 2, rounds: [counts({})] };
    const many = { peers: 6, rounds: [counts({ DELETE: 4 })] };
    expect(linesThrough(few, many)).toMatchObject([
      { kind: "DELETE", perSubmission: { median: 1 }, perRound: { median: -2 } },
    ]);
  });
});

describe("list prices", () => {
  it("are by million: writes 5, reads 0.4, messages 0.4, received once each, deletions of objects free", () => {
    expect(dollarsOf([{ kind: "PUT", count: 1e6 }])).toBe(5);
    expect(dollarsOf([{ kind: "PUT by ticket", count: 1e6 }])).toBe(5);
    expect(dollarsOf([{ kind: "LIST", count: 2e6 }])).toBe(10);
    expect(dollarsOf([{ kind: "HEAD", count: 1e6 }])).toBe(0.4);
    expect(dollarsOf([{ kind: "SendMessage", count: 1e6 }])).toBe(0.4);
    expect(dollarsOf([{ kind: "DeleteMessage", count: 1e6 }])).toBe(0.8);
    expect(dollarsOf([{ kind: "DELETE", count: 1e6 }])).toBe(0);
  });

  it("add up", () => {
    const requests = [
      { kind: "PUT", count: 10 },
      { kind: "GET", count: 100 },
    ];
    expect(dollarsOf(requests)).toBeCloseTo(9e-5, 12);
  });
});
