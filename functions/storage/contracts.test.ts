import { describeLocalContracts } from "./testing/contract-suites.ts";

describeLocalContracts();
