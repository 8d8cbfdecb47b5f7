// The shape of Lambda's runtime for Node: imports a bundle, then calls its handler with one event after the other.
import { pathToFileURL } from "node:url";

const { handler } = await import(pathToFileURL(process.argv[2]).href);

process.on("message", async ({ event, context }) => {
  try {
    process.send({ answer: await handler(event, context) });
  } catch (error) {
    process.send({ error: String(error) });
  }
});
process.send("ready");
