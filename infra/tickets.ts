/**
 * The two roles that tickets are signed with. A presigned URL can do what its signer may do and no more, so what peers
 * hold is bounded by these roles, not by the API's own.
 *
 * @module
 */
import { ticketRoleName, titleOf } from "./names.ts";
import { policyOf, type Subjects } from "./statements.ts";

/** Both trust the role of the API's function, and nobody else. */
export function createTicketRoles(apiRole: aws.iam.Role, subjects: Subjects): void {
  for (const role of ["uploadTickets", "readTickets"] as const) {
    new aws.iam.Role(titleOf(role), {
      name: ticketRoleName(role),
      assumeRolePolicy: $jsonStringify({
        Version: "2012-10-17",
        Statement: [{ Effect: "Allow", Principal: { AWS: apiRole.arn }, Action: "sts:AssumeRole" }],
      }),
      inlinePolicies: [{ name: "inline", policy: policyOf(role, subjects) }],
    });
  }
}
