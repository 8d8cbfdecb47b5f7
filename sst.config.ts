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
      // What a run has written outlives a production stage.
      removal: production ? "retain" : "remove",
      // Nobody removes one by accident. To remove one, change this line and no other: see "Tear down" in operating.md.
      protect: production,
      providers: { aws: { region: stage.region } },
    };
  },
  async run() {
    const { build } = await import("./infra/index.ts");
    return build();
  },
});
