/**
 * The API's front door: HTTP API with throttling, access logs and, if asked for, a domain of its own.
 *
 * @module
 */
import type { Stage } from "./stage.ts";

/** The gateway comes before its function, which must know the name that peers sign. */
export function createGateway({ api, logRetention }: Stage): sst.aws.ApiGatewayV2 {
  return new sst.aws.ApiGatewayV2("Gateway", {
    ...(api.domain === undefined ? {} : { domain: api.domain }),
    accessLog: { retention: logRetention },
    // Anybody may look; whatever changes something is signed, and no browser does that.
    cors: { allowMethods: ["GET"], allowOrigins: ["*"], allowHeaders: ["*"] },
    transform: {
      // Signatures cover the host, so a second name for the same API would only refuse everybody.
      api: { disableExecuteApiEndpoint: api.domain !== undefined },
      stage: {
        defaultRouteSettings: {
          throttlingRateLimit: api.requestsPerSecond,
          throttlingBurstLimit: api.burst,
        },
      },
    },
  });
}

/** Host that signatures cover: `abc123.execute-api.eu-west-1.amazonaws.com`, or the domain. */
export function authorityOf(gateway: sst.aws.ApiGatewayV2): $util.Output<string> {
  return gateway.url.apply((url) => new URL(url).host);
}
