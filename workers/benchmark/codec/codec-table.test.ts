import { expect, test } from "vitest";
import { codecTableOf } from "./codec-table.ts";
import { codecFigures, codecResult } from "./figures.ts";

test("the table has a line for every figure, and says why one is missing", () => {
  const names = Object.keys(codecFigures.shape);
  const missing = { value: null, reason: "no python3 with torch" };
  const result = codecResult.parse({
    machine: { processor: "P", cores: 2, platform: "linux-x64", node: "24", loadBefore: 0, loadAfter: 1 },
    figures: Object.fromEntries(
      names.map((name) => [
        name,
        name.endsWith("Torch") ? missing : { value: 0.87, min: 0.8, max: 0.9, unit: "parts" },
      ]),
    ),
  });
  const lines = codecTableOf(result, 9).split("\n");
  expect(lines).toHaveLength(3 + names.length);
  expect(lines.filter((line) => line.includes("0.800 / 0.870 / 0.900  parts;"))).toHaveLength(
    names.length - 2,
  );
  expect(lines.filter((line) => /against torch.*none +no python3 with torch$/.test(line))).toHaveLength(2);
});
