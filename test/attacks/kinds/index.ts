/**
 * All attacks. A new one is a file here and a line below.
 *
 * @module
 */
import type { Attack } from "../arena/attack.ts";
import { alignedColluders } from "./aligned-colluders.ts";
import { blend } from "./blend.ts";
import { cherryPicking } from "./cherry-picking.ts";
import { clique } from "./clique.ts";
import { commitOnly } from "./commit-only.ts";
import { copy } from "./copy.ts";
import { delayedCopy } from "./delayed-copy.ts";
import { duplicateIndices } from "./duplicate-indices.ts";
import { colludingEvaluator, constantEvaluator, copyingEvaluator, silentEvaluator } from "./evaluators.ts";
import { framing } from "./framing.ts";
import { hugeNorms } from "./huge-norms.ts";
import { hugeObject } from "./huge-object.ts";
import { idleAnnouncers } from "./idle-announcers.ts";
import { junkKeys } from "./junk-keys.ts";
import { keyRecycling } from "./key-recycling.ts";
import { lateUpload } from "./late-upload.ts";
import { lazyTiny, lazyZero } from "./lazy.ts";
import { loneCoordinates } from "./lone-coordinates.ts";
import { malformedRecords } from "./malformed-records.ts";
import { normBlowUp } from "./norm-blow-up.ts";
import { onOff } from "./on-off.ts";
import { oneTensorNorm } from "./one-tensor-norm.ts";
import { othersData } from "./others-data.ts";
import { ratingFeeders } from "./rating-feeders.ts";
import { rawTensorSpike } from "./raw-tensor-spike.ts";
import { replay } from "./replay.ts";
import { signFlip } from "./sign-flip.ts";
import { staleBase } from "./stale-base.ts";
import { starvedTensor } from "./starved-tensor.ts";
import { fiveSybils, twentySybils } from "./sybils.ts";
import { tinyNorms } from "./tiny-norms.ts";
import { underTheClip } from "./under-the-clip.ts";
import { wrongBase } from "./wrong-base.ts";

export const attacks: readonly Attack[] = [
  signFlip,
  normBlowUp,
  tinyNorms,
  hugeNorms,
  rawTensorSpike,
  oneTensorNorm,
  starvedTensor,
  underTheClip,
  loneCoordinates,
  duplicateIndices,
  malformedRecords,
  hugeObject,
  copy,
  delayedCopy,
  blend,
  othersData,
  framing,
  clique,
  ratingFeeders,
  cherryPicking,
  staleBase,
  wrongBase,
  replay,
  onOff,
  alignedColluders,
  junkKeys,
  fiveSybils,
  twentySybils,
  keyRecycling,
  lazyZero,
  lazyTiny,
  lateUpload,
  commitOnly,
  idleAnnouncers,
  colludingEvaluator,
  copyingEvaluator,
  constantEvaluator,
  silentEvaluator,
];
