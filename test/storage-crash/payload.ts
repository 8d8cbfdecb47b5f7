/**
 * Bytes that show on their own whether they are whole: 0 to 200 kB, derived from who wrote them.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** What child `name` writes as its object number `index`: a line that says so, then that line's hash, repeated. */
export function payloadOf(name: string, index: number): Uint8Array {
  const title = `${name} ${index}\n`;
  const hash = createHash("sha256").update(title).digest();
  return Buffer.concat([Buffer.from(title), ...Array.from({ length: (index * 37) % 6250 }, () => hash)]);
}

/** True if these are the bytes of some {@link payloadOf}. */
export function isWhole(bytes: Uint8Array): boolean {
  const [title = ""] = Buffer.from(bytes.subarray(0, 100)).toString("latin1").split("\n");
  const [name = "", index = ""] = title.split(" ");
  return Buffer.compare(payloadOf(name, Number(index)), bytes) === 0;
}
