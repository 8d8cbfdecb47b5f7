/**
 * Which place of secrets a setting names.
 *
 * @module
 */
import { OuterloopError } from "../../schemas/index.ts";
import type { SecretStore } from "./secret-store.ts";

/** Opens the store that a setting names: `ssm:/outerloop/production` or `file:/etc/outerloop/secrets`. */
export async function openSecretStore(setting: string, region: string): Promise<SecretStore> {
  const [kind, ...rest] = setting.split(":");
  const place = rest.join(":").replace(/\/+$/, "");
  if (kind === "ssm" && place.startsWith("/")) {
    const { createSsmSecretStore } = await import("./ssm-secret-store.ts");
    return createSsmSecretStore({ prefix: place, region });
  }
  if (kind === "file" && place !== "") {
    const { createFileSecretStore } = await import("./file-secret-store.ts");
    return createFileSecretStore(place);
  }
  throw new OuterloopError(
    "invalid-option",
    `expected ssm:/PREFIX or file:FOLDER as the place of secrets, got "${setting}"`,
    { setting },
  );
}
