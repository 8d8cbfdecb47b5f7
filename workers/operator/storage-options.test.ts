/**
 * What a person may leave out, and what is refused before anything is asked.
 */
import { expect, it } from "vitest";
import { storageArguments, storageOptions } from "./storage-options.ts";

const nothing = {};

it("fills in what is left out", () => {
  expect(storageOptions({}, nothing)).toMatchObject({
    bucket: "outerloop",
    name: "outerloop",
    region: "us-east-1",
    profile: "s3",
    notify: "auto",
  });
  expect(storageOptions({ bucket: "my.runs" }, { AWS_REGION: "eu-west-1" })).toMatchObject({
    bucket: "my.runs",
    name: "my-runs",
    region: "eu-west-1",
  });
});

it("looks for queues where the store is, and beside R2 at AWS", () => {
  expect(storageOptions({ endpoint: "http://127.0.0.1:4566/" }, nothing)).toMatchObject({
    endpoint: "http://127.0.0.1:4566",
    queueEndpoint: "http://127.0.0.1:4566",
  });
  const r2 = storageOptions({ endpoint: "https://x.r2.cloudflarestorage.com", profile: "r2" }, nothing);
  expect(r2.queueEndpoint).toBeUndefined();
});

it.each([
  [{ bucket: "Upper" }, /bucket/],
  [{ name: "a.b" }, /name/],
  [{ endpoint: "ftp://x" }, /endpoint/],
  [{ profile: "gcs" }, /profile/],
  [{ notify: "webhook:" }, /auto, sqs, none or webhook:NAME/],
])("refuses %o", (input, words) => {
  expect(() => storageOptions(input, nothing)).toThrow(words);
  expect(() => storageOptions(input, nothing)).toThrow(expect.objectContaining({ code: "invalid-option" }));
});

it("says what to type, without what goes without saying", () => {
  const typed = (input: Parameters<typeof storageOptions>[0]) =>
    storageArguments(storageOptions(input, nothing), nothing);
  expect(typed({})).toBe("");
  expect(typed({ endpoint: "http://a:1", queueEndpoint: "http://b:2", bucket: "runs" })).toBe(
    "--endpoint http://a:1 --queue http://b:2 --bucket runs",
  );
  expect(typed({ region: "eu-west-1", name: "other", notify: "webhook" })).toBe(
    "--name other --region eu-west-1 --notify webhook:OUTERLOOP",
  );
});
