/**
 * What a deployer reads at the end of `sst deploy`: where things are, and what to type next.
 *
 * @module
 */
import { POOL_KEY, POOL_SERVICE } from "./evaluators.ts";
import { queuePrefix, secretsPrefix } from "./names.ts";
import type { Stage } from "./stage.ts";

/** The command of this repository. */
const outerloop = "npm run outerloop --";

export function nextCommands(stage: Stage, bucket: $util.Output<string>, coordinator: $util.Output<string>) {
  const place = $interpolate`--bucket ${bucket} --name ${queuePrefix()} --region ${stage.region}`;
  return {
    bucket,
    coordinator,
    next1: $interpolate`${outerloop} doctor ${place} --coordinator ${coordinator}`,
    next2: `${outerloop} key --data-dir .outerloop-evaluator`,
    next3: $interpolate`${outerloop} run create ${place} --secrets ssm:${secretsPrefix()} --evaluators THE_KEY_OF_NEXT2`,
    next4: $interpolate`${outerloop} evaluator --coordinator ${coordinator}`,
    next5: $interpolate`${outerloop} peer --coordinator ${coordinator}`,
    ...(stage.gpuPool === undefined
      ? {}
      : {
          // From the file: what stands among a process's arguments, everybody on the machine may read.
          poolKey: `aws ssm put-parameter --region ${stage.region} --type SecureString --overwrite --name ${secretsPrefix()}/${POOL_KEY} --value file://.outerloop-evaluator/key`,
          poolRestart: `aws ecs update-service --region ${stage.region} --cluster ${queuePrefix()} --service ${POOL_SERVICE} --force-new-deployment`,
        }),
  };
}
