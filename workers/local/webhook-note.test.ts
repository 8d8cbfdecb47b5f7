import { expect, it } from "vitest";
import { storageOptions } from "../operator/storage-options.ts";
import { USUAL_PORT } from "./port.ts";
import { webhookNote } from "./webhook-note.ts";

/** Port 1 is nobody's. */
const at = (notify: string) =>
  ({ kind: "s3", ...storageOptions({ endpoint: "http://127.0.0.1:1", notify }) }) as const;

it("on another port than the usual one, a store that posts its events is not heard", async () => {
  expect(await webhookNote(at("webhook"), 5_000)).toMatch(/port 4650 is in use.*posts to 5000/);
});

it("nothing is said where it is heard, or posts nothing", async () => {
  expect(await webhookNote(at("webhook"), USUAL_PORT)).toBeNull();
  expect(await webhookNote(at("sqs"), 5_000)).toBeNull();
  expect(await webhookNote(at("none"), 5_000)).toBeNull();
  expect(await webhookNote({ kind: "folder" }, 5_000)).toBeNull();
});
