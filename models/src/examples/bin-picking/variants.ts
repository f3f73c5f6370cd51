import type { QuantiseSettings } from '@serin/protocol/pipeline';

import { judgeDetections } from '../../evaluate/detection-schemes.ts';
import { valueOn } from '../../evaluate/measure.ts';
import type { Model } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { makeVariants, type Variants, type VariantsOptions } from '../../package/make-variants.ts';
import { pairUp, type BinFrames } from './frames.ts';
import { frameInput, headsOf } from './network.ts';
import { withPeakPicking } from './peaks.ts';
import { answer, frameTensor } from './predict.ts';
import { calibrateScores, type ScoreCalibration } from './scores.ts';

/** Bytes of either sign for processors with byte products, bytes without for browsers and the others. */
export const quantiseAs: QuantiseSettings = {
  variants: ['u8s8', 'u8u8'],
  calibrator: 'min-max',
  samples: 64,
  lossMax: 0.003,
  // The quick one first. Training through the roundings takes longer than the whole training of a first version.
  recover: ['bias', 'exclude'],
};

/** A training waits for it. */
const timing = { timeMsMin: 0, timeMsMax: 1000, memory: false } as const;
const queriesKept = 32;

export interface DeployRequest extends Pick<BinFrames, 'calibration' | 'unseen' | 'choosing'> {
  /** As it was learnt: with heat maps for outputs. */
  readonly model: Model;
  readonly seed: number;
  /** How often each variant is asked for the time it takes. */
  readonly queries: number;
}

export interface Deployed {
  /** Float, with the last steps in the graph. */
  readonly model: Model;
  /** Undefined where scores are as good as they are. */
  readonly scores: ScoreCalibration | undefined;
  readonly variants: Variants;
}

/** The graph that answers, with scores that mean what they say, in every form that may go out. */
export async function deploy(
  { model: trained, calibration, unseen, choosing, seed, queries }: DeployRequest,
  options: VariantsOptions = {},
): Promise<Deployed> {
  const { threads = 1 } = options;
  const told = await answer(writeModel(withPeakPicking(trained)), unseen, threads);
  const scores = calibrateScores(pairUp(told, unseen));
  const model = withPeakPicking(trained, scores);
  const single = ({ pixels }: (typeof calibration)[number]) => ({ [frameInput]: frameTensor(pixels) });
  const variants = await makeVariants(
    {
      model,
      settings: quantiseAs,
      calibration: calibration.map(single),
      queries: unseen.slice(0, queriesKept).map(single),
      metric: async (one) => valueOn(judgeDetections(pairUp(await answer(writeModel(one), choosing, threads), choosing))),
      exclude: headsOf(trained),
      seed,
    },
    { ...timing, queriesMin: queries, ...options },
  );
  return { model, scores, variants };
}
