/**
 * What `npm start --silent -- --json` prints on stdout.
 *
 * @module
 */
import { z } from "zod";
import { publicKeyHex, roundNumber, runId, sha256Hex } from "./primitives.ts";

const secondsOf = z.number().min(0);

export const runResult = z.strictObject({
  run: runId,
  /** Folder of the bucket. */
  bucket: z.string(),
  codec: z.enum(["native", "reference"]),
  wallSeconds: secondsOf,
  peers: z.array(
    z.strictObject({
      peer: publicKeyHex,
      /** `honest`, or the name of the attack. Only the process that started the peers knows. */
      behaviour: z.string(),
    }),
  ),
  rounds: z.array(
    z.strictObject({
      round: roundNumber,
      /** Nats per byte on text that is never assigned, after this round. */
      heldOutLoss: z.number(),
      selected: z.array(publicKeyHex),
      refused: z.array(z.strictObject({ peer: publicKeyHex, reason: z.string() })),
      bytesUp: z.int().min(0),
      bytesDown: z.int().min(0),
      seconds: z.strictObject({
        train: secondsOf,
        upload: secondsOf,
        check: secondsOf,
        evaluate: secondsOf,
        aggregate: secondsOf,
        publish: secondsOf,
        total: secondsOf,
      }),
      /** From the state function. */
      stateHash: sha256Hex,
      /** From what each peer signed about its own parameters after its own outer step. */
      peerStateHashes: z.record(publicKeyHex, sha256Hex),
    }),
  ),
  initialHeldOutLoss: z.number(),
  finalHeldOutLoss: z.number(),
  compressionFactor: z.strictObject({
    /** 4 x parameters / bytes of one peer's uploaded objects in a round. */
    payload: z.number(),
    /** 16384 / record bytes. */
    chunk: z.number(),
  }),
});
export type RunResult = z.infer<typeof runResult>;
