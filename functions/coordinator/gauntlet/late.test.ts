import { describe, expect, it } from "vitest";
import { f64FromHex } from "../../../schemas/index.ts";
import { evaluateFacts, peerId, peerIds, runFacts } from "../testing/facts.ts";
import { forfeitsOf } from "./late.ts";

const last = evaluateFacts(peerIds(3), {
  gains: (peer) => ({ anchor: [peer === peerId(2) ? -0.2 : 0.1], owned: [] }),
});
const facts = (peers: readonly string[], reports = last.reports) => ({
  ...evaluateFacts(peerIds(3), { run: runFacts({ round: 2 }) }),
  late: { close: last.close.body, peers, reports },
});

describe("a late judgement", () => {
  it("takes the pay of a peer whose unjudged update did harm, and of nobody else", () => {
    const [one, ...others] = forfeitsOf(facts([peerId(1), peerId(2)]));
    expect([one?.peer, f64FromHex(one?.lossScore ?? "")]).toEqual([peerId(2), expect.closeTo(-0.2, 6)]);
    expect(others).toEqual([]);
  });

  it("says nothing of harm that no trusted evaluator has seen, nor of an update that changes nothing", () => {
    const unknown = facts([peerId(2)]);
    const previous = { ...unknown.previous, evaluators: new Map() };
    expect(forfeitsOf({ ...unknown, previous, evaluators: [peerId(903), peerId(904)] })).toEqual([]);
    const idle = evaluateFacts(peerIds(3), { gains: () => ({ anchor: [0], owned: [] }) });
    expect(forfeitsOf(facts([peerId(2)], idle.reports))).toEqual([]);
  });

  it("says nothing about updates that were judged in time, or that nobody has judged since", () => {
    expect(forfeitsOf(facts([peerId(1)]))).toEqual([]);
    expect(forfeitsOf(facts([peerId(2)], []))).toEqual([]);
    expect(forfeitsOf({ ...facts([]), late: null })).toEqual([]);
  });
});
