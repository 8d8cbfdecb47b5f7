/**
 * Does the store keep the promises that decisions rest on: create once, compare and swap, checksums?
 *
 * @module
 */

import { createHash } from "node:crypto";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { statusOf } from "../../../functions/storage/service-errors.ts";
import { isOuterloopError } from "../../../schemas/index.ts";
import { BUCKET } from "./access-checks.ts";
import { type Check, type Finding, failed, ok, warning } from "./check.ts";
import { type DoctorContext, scratch, someBytes } from "./context.ts";

const WRITERS = 8;
const NO_CONDITIONS =
  "this server cannot carry a run: rounds would be decided twice. Use one with conditional writes (AWS S3, R2, MinIO from 2025-09 on)";

const check = (name: string, run: (context: DoctorContext) => Promise<Finding>): Check => ({
  name,
  service: "store",
  needs: [BUCKET],
  run,
});

export const writeChecks: readonly Check[] = [
  check("create once", async (context) => {
    const { store } = context;
    const key = `${scratch(context).sealed}once`;
    const first = await store.putIfAbsent(key, someBytes(context, "first"));
    const second = await store.putIfAbsent(key, someBytes(context, "second"));
    if (first.outcome !== "created") return failed("a new object was said to exist", NO_CONDITIONS);
    return second.outcome === "exists"
      ? ok("the second write got 412")
      : failed("If-None-Match is ignored: the second write was accepted", NO_CONDITIONS);
  }),

  check("create once, raced", async (context) => {
    const key = `${scratch(context).sealed}raced`;
    const outcomes = await Promise.all(
      writers((writer) => context.store.putIfAbsent(key, someBytes(context, writer))),
    );
    return oneWinner(outcomes.filter(({ outcome }) => outcome === "created").length);
  }),

  check("compare and swap", async (context) => {
    const { store } = context;
    const key = `${scratch(context).views}swapped`;
    const created = await store.putIfAbsent(key, someBytes(context, "first"));
    const etag = created.outcome === "created" ? created.info.etag : created.object.etag;
    const good = await store.compareAndSwap(key, someBytes(context, "second"), etag);
    const stale = await store.compareAndSwap(key, someBytes(context, "third"), etag);
    if (good.outcome !== "swapped") return failed("a swap with the newest etag was refused", NO_CONDITIONS);
    return stale.outcome === "conflict"
      ? ok("a stale etag got 412")
      : failed("If-Match is ignored: a stale etag was accepted", NO_CONDITIONS);
  }),

  check("compare and swap, raced", async (context) => {
    const { store } = context;
    const key = `${scratch(context).views}swap-raced`;
    const created = await store.putIfAbsent(key, someBytes(context, "first"));
    const etag = created.outcome === "created" ? created.info.etag : created.object.etag;
    const outcomes = await Promise.all(
      writers((writer) => store.compareAndSwap(key, someBytes(context, writer), etag)),
    );
    return oneWinner(outcomes.filter(({ outcome }) => outcome === "swapped").length);
  }),

  check("swap of a missing object", async (context) => {
    const key = `${scratch(context).views}missing`;
    try {
      const { outcome } = await context.store.compareAndSwap(key, someBytes(context, key), NO_ETAG);
      if (outcome === "swapped") return failed("If-Match made an object that was not there", NO_CONDITIONS);
      return warning(
        "412, where S3 answers 404",
        "no harm is known: the object is read again, and found missing",
      );
    } catch (error) {
      if (!isOuterloopError(error, "no-such-object")) throw error;
      return ok("404");
    }
  }),

  check("checksum", async (context) => {
    const { s3, storage } = context;
    const [Body, other] = [someBytes(context, "sent"), someBytes(context, "promised")];
    try {
      await s3.send(
        new PutObjectCommand({
          Bucket: storage.bucket,
          Key: `${scratch(context).sealed}checksum`,
          Body,
          IfNoneMatch: "*",
          ChecksumSHA256: createHash("sha256").update(other).digest("base64"),
        }),
      );
    } catch (error) {
      if (statusOf(error) !== 400) throw error;
      return ok(`bytes with another SHA-256 got 400 ${error instanceof Error ? error.name : ""}`.trim());
    }
    return failed(
      "x-amz-checksum-sha256 is ignored: bytes with another SHA-256 were stored",
      "this server cannot hold peers to what they committed to: use another",
    );
  }),
];

const NO_ETAG = "00000000000000000000000000000000";

function writers<T>(write: (writer: string) => T): T[] {
  return Array.from({ length: WRITERS }, (_, writer) => write(`writer ${writer}`));
}

function oneWinner(winners: number): Finding {
  const detail = `${WRITERS} at a time, ${winners} won`;
  return winners === 1 ? ok(detail) : failed(detail, NO_CONDITIONS);
}
