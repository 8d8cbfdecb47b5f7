import type { Attack } from "../arena/attack.ts";

export const lateUpload: Attack = {
  name: "targeted late upload",
  what: "uploads after everybody else has seen the deadline pass",
  keys: 2,
  submit: async ({ train }) => ({
    kind: "delta",
    delta: (await train()).map((value) => -value),
    lateSeconds: 45,
  }),
};
