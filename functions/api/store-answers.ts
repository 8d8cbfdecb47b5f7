/**
 * What a store says when it refuses a ticket's request: the API's own typed error, or S3's XML with a code.
 *
 * @module
 */
import { OuterloopError } from "../../schemas/index.ts";
import { errorFrom } from "../storage/http-errors.ts";
import { isTemporary } from "../storage/service-errors.ts";

/**
 * The ticket, or the credentials that signed it, ran out. S3 and MinIO say 403 `AccessDenied` with this word in the
 * sentence, S3 also 400 `ExpiredToken` or `TokenRefreshRequired`, R2 400 `ExpiredRequest`.
 */
const EXPIRED = /expired|TokenRefreshRequired/i;

/**
 * Reads a refusal. `ticket-expired`: ask for another one. `store-busy`: transient, whoever says so. `store-refused`: these
 * bytes or this ticket will never be taken. Else whatever the API said by its `code`.
 */
export async function storeRefusal(response: Response): Promise<OuterloopError> {
  const text = await response.clone().text();
  const { status } = response;
  const code = /<Code>([^<]{1,100})<\/Code>/.exec(text)?.[1];
  if (code === undefined) {
    const error = await errorFrom(response);
    if (!isTemporary(status, "")) return error;
    return new OuterloopError("store-busy", error.message, { status, code: error.code }, error);
  }
  const said = /<Message>([^<]{0,500})<\/Message>/.exec(text)?.[1] ?? "";
  const details = { status, code };
  if (EXPIRED.test(said) || EXPIRED.test(code)) {
    const message = `the store says: ${said} ask the API for another ticket`;
    return new OuterloopError("ticket-expired", message, details);
  }
  if (isTemporary(status, code)) {
    return new OuterloopError("store-busy", `the store answered ${status} ${code}: try again`, details);
  }
  return new OuterloopError(
    "store-refused",
    `the store refused the request with ${status} ${code}: ${said} Send exactly what the ticket was asked for`,
    details,
  );
}
