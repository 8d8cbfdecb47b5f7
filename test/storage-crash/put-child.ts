// Creates objects under keys that all children share, and says which it won.
import { writeSync } from "node:fs";
import { createFileObjectStore } from "../../functions/storage/file-object-store.ts";
import { payloadOf } from "./payload.ts";

const [root = "", name = ""] = process.argv.slice(2);
const store = createFileObjectStore({ root, ticketSecret: "not used here, but long", baseUrl: "" });
for (let index = 0; ; index += 1) {
  const key = `race/${String(index).padStart(6, "0")}`;
  const put = await store.putIfAbsent(key, payloadOf(name, index));
  const etag = put.outcome === "created" ? put.info.etag : put.object.etag;
  // Written in one system call: an acknowledgement is out before the next operation begins.
  writeSync(1, `${put.outcome} ${key} ${name} ${index} ${etag}\n`);
}
