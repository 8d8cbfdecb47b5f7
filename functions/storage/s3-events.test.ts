import { describe, expect, test } from "vitest";
import { keysOfNotification } from "./s3-events.ts";

const record = (key: string, eventName = "ObjectCreated:Put") => ({
  eventVersion: "2.1",
  eventSource: "aws:s3",
  eventName,
  s3: { bucket: { name: "bucket" }, object: { key, size: 5, sequencer: "0055AED6DCD90281E5" } },
});

describe("keys of a notification", () => {
  test.each([
    ["AWS", "uploads/run/a%20b%2Bc%25%C3%A9.slc", "uploads/run/a b+c%é.slc"],
    ["AWS, a space as a plus sign", "uploads/run/a+b.slc", "uploads/run/a b.slc"],
    ["MinIO, slashes too", "uploads%2Frun%2Fa+b.slc", "uploads/run/a b.slc"],
    ["a plus sign", "a%2Bb", "a+b"],
    ["a percent sign", "a%2520b", "a%20b"],
  ])("are decoded as %s encodes them", (_, encoded, key) => {
    expect(keysOfNotification({ Records: [record(encoded)] })).toEqual([key]);
  });

  test("MinIO's own words around the records are no matter", () => {
    const message = {
      EventName: "s3:ObjectCreated:Put",
      Key: "bucket/uploads/other",
      Records: [
        {
          ...record("uploads%2Frun%2Fa", "s3:ObjectCreated:Put"),
          eventVersion: "2.0",
          eventSource: "minio:s3",
          awsRegion: "",
        },
      ],
    };
    expect(keysOfNotification(message)).toEqual(["uploads/run/a"]);
  });

  test("several records, of unknown versions, without a sequencer, are all read", () => {
    const { sequencer: _, ...object } = record("b").s3.object;
    const records = [
      { ...record("a"), eventVersion: "9.7", news: { of: "the future" } },
      { ...record("b"), s3: { object } },
    ];
    expect(keysOfNotification({ Records: records })).toEqual(["a", "b"]);
  });

  test("only creations count", () => {
    const Records = [
      record("a", "ObjectCreated:CompleteMultipartUpload"),
      record("b", "ObjectRemoved:Delete"),
      record("c", "s3:ObjectAccessed:Get"),
      record("d", "ObjectCreated:Copy"),
    ];
    expect(keysOfNotification({ Records })).toEqual(["a", "d"]);
  });

  test("the test event names none", () => {
    const message = {
      Service: "Amazon S3",
      Event: "s3:TestEvent",
      Time: "2026-01-31T12:00:00.000Z",
      Bucket: "bucket",
      RequestId: "5582815E1AEA5ADF",
      HostId: "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
    };
    expect(keysOfNotification(message)).toEqual([]);
    expect(keysOfNotification({ Records: [] })).toEqual([]);
  });

  test.each([
    null,
    undefined,
    "text",
    42,
    [],
    {},
    { type: "tick", run: "r" },
    { Records: "all" },
    { Records: [{}] },
    { Records: [{ eventName: "ObjectCreated:Put" }] },
    { Records: [record("")] },
    { Records: [record("100%")] },
    { Records: [record("%FF%FE")] },
    { Records: [record("k".repeat(3073))] },
    { Records: Array.from({ length: 1001 }, () => record("a")) },
    { Event: "s3:Nonsense" },
  ])("%j is no notification", (message) => {
    expect(keysOfNotification(message)).toBeNull();
  });
});
