/** What `format.js` exports, for the type checker of Node code, which reads no JavaScript. */
import type { Phase, RunStatus } from "../../../schemas/status.ts";
import type { FinalVerdict } from "../../../schemas/verdict.ts";

type Step = Exclude<Phase, "finished">;

export const NOTHING: string;
export const STEPS: Step[];
export const PHASES: Record<Phase, { title: string; about: string }>;
export function figure(value: number | null | undefined, digits: number): string;
export function change(value: number | null | undefined, digits: number): string;
export function percent(value: number, total: number): string;
export function bytes(sizeBytes: number): string;
export function count(value: number): string;
export function plural(value: number, noun: string): string;
export function duration(seconds: number): string;
export function countdown(milliseconds: number): string;
export function shortId(hex: string): string;
export function runName(run: string): { slug: string; hash: string };
export function isPaused(status: Pick<RunStatus, "waitingFor">): boolean;
export function isDue(status: Pick<RunStatus, "waitingFor">): boolean;
export function deadline(
  status: Pick<RunStatus, "phase" | "waitingFor" | "endsAt">,
  serverNowMs: number,
): { label: string; time: string };
export function steps(
  status: Pick<RunStatus, "phase" | "progress">,
): { step: Step; state: string; text: string; fraction: number }[];
export function verdictName(verdict: FinalVerdict): string;
export function withoutVerdict(reason: string): string;
export function lossPoints(status: Pick<RunStatus, "initialHeldOutLoss" | "history">): {
  rounds: number[];
  losses: (number | null)[];
  still: (number | null)[];
};
export function lastRoundDrawn(latest: number, planned: number): number;
