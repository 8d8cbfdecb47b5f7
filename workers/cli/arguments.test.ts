import { describe, expect, it } from "vitest";
import { type OptionSpec, readArguments, UsageError } from "./arguments.ts";

const options: Record<string, OptionSpec> = {
  rounds: { kind: "integer", min: 1, max: 100, help: "" },
  seed: { kind: "text", help: "" },
  json: { kind: "boolean", help: "" },
  coordinator: { kind: "url", help: "" },
};

describe("arguments", () => {
  it("are read by their kind, and absent ones are undefined", () => {
    expect(readArguments(["--rounds", "7", "--json", "--coordinator", "http://a.example/"], options)).toEqual(
      {
        rounds: 7,
        seed: undefined,
        json: true,
        coordinator: "http://a.example",
      },
    );
  });

  it.each([
    [["--rounds", "0"], '--rounds must be a whole number from 1 to 100, not "0"'],
    [["--rounds", "101"], '--rounds must be a whole number from 1 to 100, not "101"'],
    [["--rounds", "1.5"], '--rounds must be a whole number from 1 to 100, not "1.5"'],
    [["--rounds", "1e1"], '--rounds must be a whole number from 1 to 100, not "1e1"'],
    [["--rounds="], '--rounds must be a whole number from 1 to 100, not ""'],
    [["--seed", ""], "--seed needs a value"],
    [["--coordinator", "here"], "--coordinator must be a URL"],
  ])("%j are bad usage", (args, message) => {
    expect(() => readArguments(args, options)).toThrow(UsageError);
    expect(() => readArguments(args, options)).toThrow(message);
  });

  it("say what is wrong in one line", () => {
    for (const args of [["--unknown"], ["--rounds"], ["--json=yes"], ["extra"]]) {
      const message = (() => {
        try {
          readArguments(args, options);
          return "";
        } catch (error) {
          return error instanceof UsageError ? error.message : "not a usage error";
        }
      })();
      expect(message).not.toBe("");
      expect(message).not.toMatch(/\n|not a usage error/);
    }
  });
});
