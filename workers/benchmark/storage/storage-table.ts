/**
 * The result of `npm run bench -- storage` as a table for people.
 *
 * @module
 */
import type { RequestCounts, RequestLine, StackName, StorageResult } from "../result.ts";
import { aligned, figure, figures, headOf, percent, type Row } from "../table.ts";
import { PRICES } from "./request-costs.ts";

const NAMES: Record<StackName, string> = {
  file: "file",
  "minio+localstack": "MinIO + LocalStack",
  localstack: "LocalStack",
};

export function storageTableOf(result: StorageResult): string {
  const { writeBytes, transferBytes, requestCounts } = result;
  const rows: Row[] = [
    [
      `plain write of ${writeBytes} bytes, fsynced, ms`,
      figures(result.plainWriteMilliseconds),
      "(a baseline)",
    ],
    ...result.conditionalWrites.flatMap(({ stack, ...of }): Row[] => [
      [`${NAMES[stack]}: create once, ms`, figures(of.createMilliseconds), timesPlain(of.createTimesPlain)],
      [`${NAMES[stack]}: compare and swap, ms`, figures(of.swapMilliseconds), timesPlain(of.swapTimesPlain)],
    ]),
    ...result.transfers.flatMap(({ stack, ...of }): Row[] => [
      [
        `${NAMES[stack]}: pinned upload of ${transferBytes / 2 ** 20} MiB, MiB/s`,
        figures(of.uploadMebibytesPerSecond),
        ofCurl(of.uploadShareOfCurl),
      ],
      [
        `${NAMES[stack]}: its download, MiB/s`,
        figures(of.downloadMebibytesPerSecond),
        ofCurl(of.downloadShareOfCurl),
      ],
    ]),
    ...result.roundOverheads.flatMap(({ stack, ...of }): Row[] => [
      [`${NAMES[stack]}: training of ${of.peers} peers, s a round`, figures(of.trainSeconds), "(a baseline)"],
      [
        `${NAMES[stack]}: besides training, s a round`,
        figures(of.overheadSeconds),
        `mean ${figure(of.meanOverheadSeconds)}; ${percent(of.overheadShareOfTraining)} of the training`,
      ],
    ]),
  ];
  return [...headOf(result), ...aligned(rows), "", ...requestLines(requestCounts)].join("\n");
}

function timesPlain(times: StorageResult["plainWriteMilliseconds"]): string {
  return `${figures(times)} times the plain write`;
}

function ofCurl(share: StorageResult["plainWriteMilliseconds"] | null): string {
  return share === null ? "no curl here" : `${percent(share)} of curl's`;
}

function requestLines(counts: RequestCounts): string[] {
  const { shards, rounds, peers, requests } = counts;
  const total = (dollars: number) => `about $${figure(dollars)} for 1,000`;
  const rows: Row[] = [
    ["requests", "a submission", "a round"],
    ...requests.map(
      ({ kind, perSubmission, perRound }): Row => [kind, figures(perSubmission), figures(perRound)],
    ),
    together("S3", requests.filter(isOfS3)),
    together(
      "SQS",
      requests.filter((line) => !isOfS3(line)),
    ),
    ["AWS list prices", total(counts.dollarsPerThousandSubmissions), total(counts.dollarsPerThousandRounds)],
  ];
  return [
    `MinIO + LocalStack, ${shards} shards, ${rounds} rounds each with ${peers.join(" and ")} peers:`,
    ...aligned(rows),
    `$${PRICES.write} for a million PUT or LIST, $${PRICES.read} GET or HEAD, $${PRICES.queue} SQS; sweeps, empty polls of queues, storage, traffic and functions not counted`,
  ];
}

/** Methods are written in capitals, actions of SQS are not. */
function isOfS3({ kind }: RequestLine): boolean {
  return /^[A-Z]+( by ticket)?$/.test(kind);
}

function together(service: string, lines: readonly RequestLine[]): Row {
  const sum = (of: "perSubmission" | "perRound") =>
    `about ${figure(lines.reduce((total, line) => total + line[of].median, 0))}`;
  return [`${service} together`, sum("perSubmission"), sum("perRound")];
}
