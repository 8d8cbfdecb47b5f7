/**
 * Reading and writing signed objects: verified on the way in, created once on the way out.
 *
 * @module
 */
import type { z } from "zod";
import {
  hashOf,
  isOuterloopError,
  MAX_OBJECT_BYTES,
  OuterloopError,
  type SignedType,
  signedTypes,
  signToBytes,
  verifyObject,
} from "../../schemas/index.ts";
import type { Fact } from "../coordinator/facts.ts";
import { OF_SERVICES } from "../storage/http-errors.ts";
import type { RunContext, RunSecrets } from "./run-context.ts";

type BodyOf<Type extends SignedType> = z.infer<(typeof signedTypes)[Type]>;

/** The secrets of a deciding function (`no-secrets` for a reader that tried to decide). */
export function secretsOf(context: RunContext): RunSecrets {
  if (context.secrets === undefined) {
    throw new OuterloopError(
      "no-secrets",
      `this process may read run ${context.run}, but not decide anything in it`,
    );
  }
  return context.secrets;
}

/**
 * A verified fact, read once; null: not there. Signed by one of `signers`, the coordinator's keys if not given.
 */
export async function readFact<Type extends SignedType>(
  context: RunContext,
  type: Type,
  key: string,
  signers: readonly string[] = context.genesis.body.keys.coordinator,
): Promise<Fact<BodyOf<Type>> | null> {
  return context.cache.through(key, async () => {
    const object = await context.store.get(key, { maxBytes: MAX_OBJECT_BYTES });
    return object === null ? null : verified(context, type, key, object.bytes, signers);
  });
}

function verified<Type extends SignedType>(
  { run }: RunContext,
  type: Type,
  key: string,
  bytes: Uint8Array,
  signers: readonly string[],
): Fact<BodyOf<Type>> {
  const schema = signedTypes[type] as unknown as z.ZodType<BodyOf<Type>>;
  const { body } = verifyObject(type, run, schema, key, bytes, { anyOf: signers });
  return { body, hash: hashOf(body) };
}

/**
 * A fact from outside (a peer's commit, an evaluator's report): null also when it does not verify. The API verified it
 * before it was stored, so a bad one got into the bucket some other way and must not stop the round. That the store does
 * not answer is no such thing: whoever took it for one would leave out what was acknowledged.
 */
export async function readForeignFact<Type extends SignedType>(
  context: RunContext,
  type: Type,
  key: string,
  signer: string,
): Promise<Fact<BodyOf<Type>> | null> {
  return context.cache.through(key, async () => {
    try {
      const object = await context.store.get(key, { maxBytes: MAX_OBJECT_BYTES });
      return object === null ? null : verified(context, type, key, object.bytes, [signer]);
    } catch (error) {
      if (isOuterloopError(error) && !OF_SERVICES.test(error.code)) return null;
      throw error;
    }
  });
}

/** A fact that must be there by now (`missing-fact`). */
export async function requireFact<Type extends SignedType>(
  context: RunContext,
  type: Type,
  key: string,
): Promise<Fact<BodyOf<Type>>> {
  const fact = await readFact(context, type, key);
  if (fact === null)
    throw new OuterloopError("missing-fact", `${key} should be in the bucket, but is not`, { key });
  return fact;
}

/** Creates a decision object once; whoever loses the race adopts what stands. */
export async function recordOnce<Type extends SignedType>(
  context: RunContext,
  type: Type,
  key: string,
  body: BodyOf<Type>,
): Promise<Fact<BodyOf<Type>>> {
  const bytes = signToBytes(type, context.run, body, secretsOf(context).coordinator);
  const put = await context.store.putIfAbsent(key, bytes);
  if (put.outcome === "created")
    context.cache.keep(key, { body, hash: hashOf(body) } satisfies Fact<BodyOf<Type>>);
  return requireFact(context, type, key);
}

/**
 * Writes what is a function of facts alone: whoever wrote it before wrote the same bytes. Other bytes under such a
 * key are an alarm (`derived-object-differs`): somebody forged, or two versions of the code disagree.
 */
export async function writeDerived(context: RunContext, key: string, bytes: Uint8Array): Promise<void> {
  const written = await context.store.putIfAbsent(key, bytes);
  if (written.outcome === "exists" && Buffer.compare(written.object.bytes, bytes) !== 0) {
    throw new OuterloopError(
      "derived-object-differs",
      `${key} holds other bytes than its inputs give: do not trust this round before someone has looked`,
      { key },
    );
  }
}

/** {@link writeDerived} for a signed body. */
export async function writeDerivedFact<Type extends SignedType>(
  context: RunContext,
  type: Type,
  key: string,
  body: BodyOf<Type>,
): Promise<void> {
  await writeDerived(context, key, signToBytes(type, context.run, body, secretsOf(context).coordinator));
  // These very bytes stand there now: whoever reads the fact next need not ask the store.
  context.cache.keep(key, { body, hash: hashOf(body) } satisfies Fact<BodyOf<Type>>);
}
