/**
 * Which changes of a configuration a run cannot take. The rule is the coordinator's own: it is asked about each change
 * alone, so that there is no second list to fall behind.
 *
 * @module
 */
import { latestConfig } from "../../functions/coordinator/controls.ts";
import { type Control, type Genesis, hashOf, OuterloopError, type RunConfig } from "../../schemas/index.ts";

/** Typed error `fixed-field`: readers of the run would pass over this configuration. */
export function refuseFixedFields(genesis: Genesis, config: RunConfig): void {
  if (isTaken(genesis, config)) return;
  const fixed = changes(genesis.config, config).filter(
    ({ path, after }) => !isTaken(genesis, changed(genesis.config, path, after) as RunConfig),
  );
  const text = fixed.map(
    ({ path, before, after }) => `${path.join(".")} (${show(before)}, not ${show(after)})`,
  );
  throw new OuterloopError(
    "fixed-field",
    `expected a configuration that keeps what a run is made of, got a change of ${text.join(", ")}: ` +
      "leave that as it is, or create another run",
    { fields: fixed.map(({ path }) => path.join(".")) },
  );
}

function isTaken(genesis: Genesis, config: RunConfig): boolean {
  const control: Control = {
    number: 1,
    issuedAt: "1970-01-01T00:00:00.000Z",
    action: { kind: "config", config },
  };
  return latestConfig(genesis, [control]).hash === hashOf(config);
}

interface Change {
  path: string[];
  before: unknown;
  after: unknown;
}

/** The innermost fields that differ; a list is one field. */
function changes(before: unknown, after: unknown, path: string[] = []): Change[] {
  if (!isRecord(before) || !isRecord(after)) {
    return show(before) === show(after) ? [] : [{ path, before, after }];
  }
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].flatMap((name) => changes(before[name], after[name], [...path, name]));
}

/** A copy with one field changed. */
function changed(value: unknown, [name, ...rest]: string[], after: unknown): unknown {
  if (name === undefined) return after;
  const record = isRecord(value) ? value : {};
  const inner = changed(record[name], rest, after);
  const { [name]: _, ...others } = record;
  return inner === undefined ? others : { ...others, [name]: inner };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? "nothing";
}
