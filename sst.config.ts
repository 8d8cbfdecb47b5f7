/// <reference path="./.sst/platform/config.d.ts" />

// The entry of `sst deploy`, and no more: what is built stands in infra/, its settings in infra/stage.ts.
export default $config({
  async app(input) {
    const { APP, PRODUCTION, readStage } = await import("./infra/stage.ts");
    const stage = readStage(input?.stage ?? "development", process.env);
    const production = stage.name === PRODUCTION;
    return {
      name: APP,
      home: "aws",
      // What a run has written is kept, and nobody removes a production stage without changing this line first.
      removal: production ? "retain" : "remove",
      protect: production,
      providers: { aws: { region: stage.region } },
    };
  },
  async run() {
    const { build } = await import("./infra/index.ts");
    return build();
  },
});
