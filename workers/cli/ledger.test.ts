import { beforeEach, describe, expect, it } from "vitest";
import { ApiRun, keyOf } from "../../functions/api/testing/api-run.ts";
import { readFact } from "../../functions/rounds/objects.ts";
import { publishRound } from "../../functions/rounds/publish.ts";
import { f64ToHex, isOuterloopError, type LedgerPage } from "../../schemas/index.ts";
import { explainFrom, explanationText } from "./explain.ts";
import { csvText, ledgerTable } from "./ledger.ts";
import type { FactSource } from "./source.ts";

const peers = [keyOf("ann"), keyOf("ben")];
let run: ApiRun;
let source: FactSource;
beforeEach(async () => {
  run = await ApiRun.create();
  source = { run: run.run, read: (type, key) => readFact(run.deciding, type, key) };
  await run.toClose(peers);
});

async function finish() {
  await run.toManifest();
  await publishRound(run.deciding, 1);
}

async function codeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return "nothing";
  } catch (error) {
    return isOuterloopError(error) ? error.code : String(error);
  }
}

describe("the ledger of a run", () => {
  it("adds up to the rounds that have paid", async () => {
    await finish();
    const table = await ledgerTable(source, 1);
    expect(table.sum).toBeCloseTo(1, 12);
    expect(table.accounts.map(({ standing, held, total }) => [standing, held === total])).toEqual([
      ["probation", true],
      ["probation", true],
    ]);
    const [head, ...rows] = csvText(table).split("\r\n");
    expect(head).toBe("peer,standing,share,paid,held,forfeited,total,selectedRounds,judgedRounds,lastRound");
    expect(rows.map((row) => row.split(",").length)).toEqual([10, 10]);
  });

  it.each([
    ["made", 0.6],
    ["lost", 0.4],
  ])("is refused where shares were %s on the way", async (_, paid) => {
    await finish();
    const forged: FactSource = {
      ...source,
      async read(type, key) {
        const fact = await source.read(type, key);
        if (type !== "ledger" || fact === null) return fact;
        const page = fact.body as LedgerPage;
        const entries = page.entries.map((entry) => ({ ...entry, held: f64ToHex(0), paid: f64ToHex(paid) }));
        return { ...fact, body: { ...page, entries } } as typeof fact;
      },
    };
    expect(await codeOf(() => ledgerTable(forged, 1))).toBe("wrong-sums");
  });

  it("is not there before the round is finished", async () => {
    expect(await codeOf(() => ledgerTable(source, 1))).toBe("round-not-finished");
  });
});

describe("explain", () => {
  it("finds a peer by its first digits, and the last finished round by itself", async () => {
    await finish();
    await run.advance();
    const id = keyOf("ann").publicKey;
    const explanation = await explainFrom(source, { round: undefined, peer: id.slice(0, 8) });
    expect(explanation).toMatchObject({ round: 1, peer: id, verdict: "selected" });
    expect(explanationText(explanation)).toMatch(new RegExp(`^peer +${id}\nround +1, applied`));
  });

  it("says what is wrong with a question", async () => {
    expect(await codeOf(() => explainFrom(source, { round: 1, peer: "00" }))).toBe("round-not-finished");
    await finish();
    expect(await codeOf(() => explainFrom(source, { round: 1, peer: "0123456789" }))).toBe("no-such-peer");
    expect(await codeOf(() => explainFrom(source, { round: 1, peer: "" }))).toBe("ambiguous-peer");
    expect(await codeOf(() => explainFrom(source, { round: 2, peer: "00" }))).toBe("round-not-finished");
  });
});
