/**
 * One process that gets one request of a stranger: a signed object with more signatures than anybody makes. Ends with
 * the status it answered; or without, for lack of memory.
 *
 * @module
 */
import { ApiRun, keyOf } from "./api-run.ts";

const [path = "", count = "0"] = process.argv.slice(2);
const run = await ApiRun.create();
const zeros = `[${"0,".repeat(Number(count))}0]`;
const body = path === "/read-tickets" ? `{"keys":${zeros}}` : `{"body":{},"signatures":${zeros}}`;
const { status } = await run.post(keyOf("stranger"), run.path(path), body);
process.stdout.write(String(status));
