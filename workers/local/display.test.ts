import { expect, it } from "vitest";
import { createDisplay } from "./display.ts";

/** A stream that is no terminal. */
function plainStream() {
  let text = "";
  const stream = {
    isTTY: false,
    write(chunk: string) {
      text += chunk;
      return true;
    },
  };
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => text };
}

it("off a terminal a round is one plain line, and one more for each update that was not used", () => {
  const { stream, text } = plainStream();
  const display = createDisplay(stream);
  display.round({
    round: 3,
    rounds: 20,
    heldOutLoss: 2.5,
    selected: ["aa".repeat(32), "bb".repeat(32)],
    refused: [{ peer: "cc".repeat(32), reason: "makes the model worse" }],
    bytesUp: 41_000,
    bytesDown: 120_400,
    seconds: {
      train: 1,
      upload: 0.01,
      check: 0.02,
      evaluate: 0.2,
      aggregate: 0.03,
      publish: 0.1,
      total: 1.36,
    },
  });
  display.event("peer-1", { kind: "step", round: 4, step: 1, of: 15, loss: 2, at: 0 });
  display.end();
  expect(text()).toBe(
    "round  3  loss 2.500  selected 2  not used 1  up 41.0 kB  down 120.4 kB  1.36 s: " +
      "train 1.00  upload 0.01  check 0.02  evaluate 0.20  aggregate 0.03  publish 0.10\n" +
      "    cccccccc makes the model worse\n",
  );
});
