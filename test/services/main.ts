/**
 * `npm run test:services`: the tests against real servers, the matrix of what each holds, and as the last line
 * `N passed, N failed`. Words behind it name test files, as with vitest.
 *
 * @module
 */
import { startVitest } from "vitest/node";
import ContractMatrix from "../../functions/storage/testing/contract-matrix.ts";

const vitest = await startVitest("test", process.argv.slice(2), {
  watch: false,
  project: ["services"],
  reporters: ["default", new ContractMatrix()],
});
const modules = vitest.state.getTestModules();
const states = modules.flatMap((module) =>
  [...module.children.allTests()].map((test) => test.result().state),
);
const passed = states.filter((state) => state === "passed").length;
// What could not even be loaded or set up has no tests to count, and has failed all the same.
const broken =
  modules.filter((module) => module.errors().length > 0).length + vitest.state.getUnhandledErrors().length;
const failed = states.filter((state) => state === "failed").length + broken;
await vitest.close();
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
