import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { f64FromHex } from "../../../schemas/index.ts";
import { type Account, forfeit, pay, type RoundPay } from "./pay.ts";

type Happens = Omit<RoundPay, "round"> | "forfeit";

function account(rounds: readonly Happens[]) {
  let now: Account | undefined;
  for (const [i, what] of rounds.entries()) {
    if (what !== "forfeit") now = pay(now, { round: i + 1, ...what });
    else if (now !== undefined) now = forfeit(now);
  }
  if (now === undefined) throw new Error("no round");
  return {
    paid: f64FromHex(now.paid),
    held: f64FromHex(now.held),
    forfeited: f64FromHex(now.forfeited),
    recent: now.recentShares.map(({ round }) => round),
  };
}
const earns = (share: number, standing: RoundPay["standing"] = "probation") => ({
  share,
  standing,
  helped: true,
});

describe("pay", () => {
  it("is held back on probation; of an established key it is paid at once, and a tenth of what is held", () => {
    expect(account([earns(0.2), earns(0.3)])).toMatchObject({ paid: 0, held: 0.5 });
    const { paid, held } = account([earns(0.2), earns(0.3), earns(0.5, "established")]);
    expect([paid, held]).toEqual([expect.closeTo(0.55, 12), expect.closeTo(0.45, 12)]);
  });

  it("that is held stays so while an established key does not help", () => {
    const idle = { share: 0, standing: "established" as const, helped: false };
    expect(account([earns(0.5), idle, idle])).toMatchObject({ paid: 0, held: 0.5 });
  });

  it("is held again when the standing is lost", () => {
    expect(account([earns(0.5, "established"), earns(0.25)])).toMatchObject({ paid: 0.5, held: 0.25 });
  });

  it("is forfeited with all that is held, and as much of what was paid as the last ten rounds brought", () => {
    const rounds = [...new Array(12).fill(earns(0.5, "established")), earns(0.5)];
    expect(account([...rounds, "forfeit"])).toEqual({ paid: 1, held: 0, forfeited: 5.5, recent: [] });
    expect(account([...rounds, "forfeit", "forfeit"])).toMatchObject({ paid: 1, forfeited: 5.5 });
    const long = new Array(20).fill(earns(0.5));
    expect(account([...long, "forfeit"])).toMatchObject({ paid: 0, held: 0, forfeited: 10 });
  });

  it("loses nothing: paid, held and forfeited are all the shares there were", () => {
    const round: fc.Arbitrary<Happens> = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({
          share: fc.constantFrom(0, 0.125, 0.25, 0.5),
          standing: fc.constantFrom("probation" as const, "established" as const),
          helped: fc.boolean(),
        }),
      },
      { weight: 1, arbitrary: fc.constant("forfeit" as const) },
    );
    fc.assert(
      fc.property(fc.array(round, { maxLength: 40 }), (later) => {
        const rounds = [earns(0.5), ...later];
        const { paid, held, forfeited } = account(rounds);
        expect(paid + held + forfeited).toBeCloseTo(
          rounds.reduce((sum, what) => sum + (what === "forfeit" ? 0 : what.share), 0),
          9,
        );
        expect(Math.min(paid, held, forfeited)).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});
