import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { f64FromHex } from "../../../schemas/index.ts";
import { pay, type RoundPay } from "./pay.ts";

function account(rounds: readonly Omit<RoundPay, "round">[]) {
  let now: ReturnType<typeof pay> | undefined;
  for (const [i, round] of rounds.entries()) now = pay(now, { round: i + 1, ...round });
  if (now === undefined) throw new Error("no round");
  return {
    paid: f64FromHex(now.paid),
    held: f64FromHex(now.held),
    forfeited: f64FromHex(now.forfeited),
    recent: now.recentShares.map(({ round }) => round),
  };
}
const earns = (share: number, standing: RoundPay["standing"] = "probation") => ({
  ...{ share, standing, forfeits: false },
});

describe("pay", () => {
  it("is held back on probation; of an established key it is paid at once, and a tenth of what is held", () => {
    expect(account([earns(0.2), earns(0.3)])).toMatchObject({ paid: 0, held: 0.5 });
    const { paid, held } = account([earns(0.2), earns(0.3), earns(0.5, "established")]);
    expect([paid, held]).toEqual([expect.closeTo(0.55, 12), expect.closeTo(0.45, 12)]);
  });

  it("is held again when the standing is lost", () => {
    expect(account([earns(0.5, "established"), earns(0.25)])).toMatchObject({ paid: 0.5, held: 0.25 });
  });

  it("of the last ten rounds is forfeited, what is held first", () => {
    const rounds = [...new Array(12).fill(earns(0.5, "established")), earns(0.5)];
    const forfeits = { share: 0, standing: "probation" as const, forfeits: true };
    expect(account([...rounds, forfeits])).toEqual({ paid: 1.5, held: 0, forfeited: 5, recent: [] });
    expect(account([...rounds, forfeits, forfeits])).toMatchObject({ paid: 1.5, forfeited: 5 });
  });

  it("loses nothing: paid, held and forfeited are all the shares there were", () => {
    const round = fc.record({
      share: fc.constantFrom(0, 0.125, 0.25, 0.5),
      standing: fc.constantFrom("probation" as const, "established" as const),
      forfeits: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(round, { minLength: 1, maxLength: 40 }), (rounds) => {
        const { paid, held, forfeited } = account(rounds);
        expect(paid + held + forfeited).toBeCloseTo(
          rounds.reduce((sum, { share }) => sum + share, 0),
          9,
        );
        expect(Math.min(paid, held, forfeited)).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});
