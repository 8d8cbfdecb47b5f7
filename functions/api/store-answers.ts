/**
 * What a store says when it refuses a ticket's request: the API's own typed error, or S3's XML with a code.
 *
 * @module
 */
import { OuterloopError } from "../../schemas/index.ts";
import { errorFrom } from "../storage/http-errors.ts";

/** S3's codes that mean: try the same request again, soon. */
const BUSY = new Set([
  "SlowDown",
  "ServiceUnavailable",
  "InternalError",
  "RequestTimeout",
  "ConditionalRequestConflict",
  "OperationAborted",
]);
/** The ticket, or the credentials that signed it, ran out. S3 and MinIO say `AccessDenied` with this sentence. */
const EXPIRED = /expired/i;

/**
 * Reads a refusal. `ticket-expired`: ask for another one. `store-busy`: transient. `store-refused`: these bytes or this
 * ticket will never be taken. Else whatever the API said by its `code`.
 */
export async function storeRefusal(response: Response): Promise<OuterloopError> {
  const text = await response.clone().text();
  const code = /<Code>([^<]{1,100})<\/Code>/.exec(text)?.[1];
  if (code === undefined) return errorFrom(response);
  const said = /<Message>([^<]{0,500})<\/Message>/.exec(text)?.[1] ?? "";
  const details = { status: response.status, code };
  if (response.status === 403 && (EXPIRED.test(said) || EXPIRED.test(code))) {
    return new OuterloopError(
      "ticket-expired",
      `the store says: ${said} ask the API for another ticket`,
      details,
    );
  }
  if (BUSY.has(code) || response.status >= 500) {
    return new OuterloopError(
      "store-busy",
      `the store answered ${response.status} ${code}: try again`,
      details,
    );
  }
  return new OuterloopError(
    "store-refused",
    `the store refused the request with ${response.status} ${code}: ${said} Send exactly what the ticket was asked for`,
    details,
  );
}
