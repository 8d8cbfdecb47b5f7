/**
 * LossRating: OpenSkill Plackett-Luce, one update a round. Absolute LossScores shrink tenfold as a model learns;
 * ranks within a round stay comparable.
 *
 * Whoever helped is rated from the table of those who helped alone, everybody else from the whole table: otherwise a
 * few keys that always lose would feed the ratings of all others.
 *
 * @module
 */
import { ordinal as openskillOrdinal, rate } from "openskill";
import { f64FromHex, type LedgerEntry, type RunConfig } from "../../../schemas/index.ts";

export interface Skill {
  mu: number;
  sigma: number;
}

type RatingSettings = RunConfig["gauntlet"]["rating"];

/** Where everybody begins. */
export function initialSkill(settings: RatingSettings): Skill {
  return { mu: settings.mu, sigma: settings.sigma };
}

/**
 * The rating with which a peer enters a round: its last one, less certain by tau for every round that it was away. Rounds
 * in which it was there have moved it already.
 */
export function skillBefore(entry: LedgerEntry | undefined, round: number, settings: RatingSettings): Skill {
  if (entry === undefined) return initialSkill(settings);
  const away = Math.max(0, round - 1 - entry.lastRound);
  const sigma = f64FromHex(entry.rating.sigma);
  // Never less certain than a stranger.
  const drifted = Math.min(
    Math.max(sigma, settings.sigma),
    Math.hypot(sigma, settings.tau * Math.sqrt(away)),
  );
  return { mu: f64FromHex(entry.rating.mu), sigma: away === 0 ? sigma : drifted };
}

/** mu - 3 sigma: the skill that is almost certainly there. */
export function ordinal(skill: Skill): number {
  return openskillOrdinal(skill);
}

/** Not judged, not rated: only the uncertainty grows, by tau. */
export function unrated(skill: Skill, settings: RatingSettings): Skill {
  return { mu: skill.mu, sigma: Math.hypot(skill.sigma, settings.tau) };
}

/** One table, best first. Never pass ties: openskill 5 rates two tied firsts below the third. */
function rateTable(
  table: readonly { peer: string; skill: Skill }[],
  settings: RatingSettings,
): Map<string, Skill> {
  if (table.length < 2) return new Map(table.map(({ peer, skill }) => [peer, unrated(skill, settings)]));
  // The order of the sums inside is the order of the teams: peer id bytes, so that every reader gets equal bits.
  const byId = table.map((entry, place) => ({ ...entry, place })).sort((a, b) => (a.peer < b.peer ? -1 : 1));
  const rated = rate(
    byId.map(({ skill }) => [{ mu: skill.mu, sigma: skill.sigma }]),
    {
      rank: byId.map(({ place }) => place + 1),
      mu: settings.mu,
      sigma: settings.sigma,
      beta: settings.beta,
      tau: settings.tau,
    },
  );
  return new Map(
    byId.map(({ peer, skill }, i) => {
      const next = rated[i]?.[0];
      return [peer, next === undefined ? skill : { mu: next.mu, sigma: next.sigma }];
    }),
  );
}

/** Ratings after a round. `places`: best first, without ties; `helped`: the LossScore is above what is needed. */
export function rateRound(
  places: readonly { peer: string; skill: Skill; helped: boolean }[],
  settings: RatingSettings,
): Map<string, Skill> {
  const all = rateTable(places, settings);
  // Who did not help never rises, or a key could live on the losses of worse keys of its own.
  for (const { peer, skill } of places) {
    const rated = all.get(peer);
    if (rated !== undefined)
      all.set(peer, {
        mu: Math.min(rated.mu, skill.mu),
        sigma: Math.max(rated.sigma, unrated(skill, settings).sigma),
      });
  }
  const helpers = rateTable(
    places.filter((entry) => entry.helped),
    settings,
  );
  return new Map([...all, ...helpers]);
}
