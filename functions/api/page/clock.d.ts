/** What `clock.js` exports, for the type checker of Node code, which reads no JavaScript. */
export class ServerClock {
  observe(asOf: string, receivedAtMs: number): void;
  at(nowMs: number): number | null;
}
