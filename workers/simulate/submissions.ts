/**
 * What peers have sent, and what became of it: nobody is cut off who delivers in time, and what was acknowledged counts.
 *
 * @module
 */
import { listAll, type ObjectStore } from "../../functions/storage/object-store.ts";
import {
  type Close,
  type Cutoff,
  commitAnswer,
  parseSubmissionKey,
  parseUploadKey,
  prefixes,
  toMilliseconds,
} from "../../schemas/index.ts";
import { SECOND_MS, type Seen, surelySeen } from "./seen.ts";

/** What a peer has in the store, and since when. */
interface Stored {
  commitMs?: number;
  submissionMs?: number;
  uploadsMs: number[];
}

export interface Acknowledged {
  round: number;
  peer: string;
  commit: string;
}

export class Submissions {
  readonly acknowledged: Acknowledged[] = [];
  readonly #seen: Seen;
  readonly #store: ObjectStore;

  constructor(seen: Seen, store: ObjectStore) {
    this.#seen = seen;
    this.#store = store;
  }

  /** The API answered a commit. */
  async onAnswer(path: string, response: Response): Promise<void> {
    if (response.status !== 200 || !path.endsWith("/commits")) return;
    const { acknowledgement } = commitAnswer.parse(await response.json());
    const { round, peer, commit } = acknowledgement.body;
    this.acknowledged.push({ round, peer, commit });
    this.#hasVerdict({ round, peer, commit });
  }

  #hasVerdict({ round, peer, commit }: Acknowledged): void {
    const { close } = this.#seen.round(round);
    if (close === undefined || close.submissions.some((one) => one.peer === peer && one.commit === commit))
      return;
    this.#seen.fail(
      "what was acknowledged has a verdict",
      `the commit of ${peer.slice(0, 8)} in round ${round} was acknowledged, and is not in the close`,
    );
  }

  /** Before uploads are over for good, a round is cut off only when everybody has delivered who was to be waited for. */
  async onCutoff({ round, asOf }: Cutoff): Promise<void> {
    const { roster } = this.#seen.round(round);
    if (roster === undefined || this.#seen.word.isAborted(round)) return;
    const asOfMs = toMilliseconds(asOf);
    if (asOfMs > toMilliseconds(roster.uploadedBy) + SECOND_MS) return;
    const commitByMs = toMilliseconds(roster.commitBy);
    const stored = await this.#storedIn(round);
    for (const { peer, awaited } of roster.peers) {
      const { commitMs = Number.POSITIVE_INFINITY, submissionMs } = stored.get(peer) ?? {};
      const mayCome = commitMs <= commitByMs || asOfMs <= commitByMs + SECOND_MS;
      // Its submission may be complete since the decision was taken, but then it is here.
      if (!awaited || submissionMs !== undefined || !mayCome) continue;
      this.#seen.fail(
        "a departed peer closes no round early",
        `round ${round} was cut off though ${peer.slice(0, 8)} is awaited and may still deliver`,
      );
    }
  }

  async onClose({ round, asOf, submissions }: Close): Promise<void> {
    for (const one of this.acknowledged) if (one.round === round) this.#hasVerdict(one);
    const { roster } = this.#seen.round(round);
    if (roster === undefined) return;
    const stored = await this.#storedIn(round);
    const [commitByMs, uploadedByMs] = [toMilliseconds(roster.commitBy), toMilliseconds(roster.uploadedBy)];
    for (const { peer, verdict } of submissions) {
      const { commitMs, submissionMs, uploadsMs } = stored.get(peer) ?? { uploadsMs: [] };
      if (commitMs === undefined || submissionMs === undefined) continue;
      const checked = submissionMs <= surelySeen(toMilliseconds(asOf));
      const inTime = commitMs <= commitByMs && uploadsMs.every((atMs) => atMs <= uploadedByMs);
      if (!checked || !inTime || !["late", "incomplete", "not-checked"].includes(verdict)) continue;
      this.#seen.fail(
        "what was in time counts",
        `${peer.slice(0, 8)} delivered round ${round} in time and was checked, and is called ${verdict}`,
      );
    }
  }

  async #storedIn(round: number): Promise<Map<string, Stored>> {
    const { run } = this.#seen;
    const stored = new Map<string, Stored>();
    const of = (peer: string) => {
      const found = stored.get(peer) ?? { uploadsMs: [] };
      stored.set(peer, found);
      return found;
    };
    for await (const { key, lastModifiedMs } of listAll(this.#store, prefixes.sealed(run, round))) {
      const parsed = parseSubmissionKey(key);
      if (parsed?.part === "commit") of(parsed.peer).commitMs = lastModifiedMs;
      if (parsed?.part === "submission") of(parsed.peer).submissionMs = lastModifiedMs;
    }
    for await (const { key, lastModifiedMs } of listAll(this.#store, prefixes.uploads(run, round))) {
      const parsed = parseUploadKey(key);
      if (parsed !== null) of(parsed.peer).uploadsMs.push(lastModifiedMs);
    }
    return stored;
  }
}
