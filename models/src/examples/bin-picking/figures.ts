import { designLight, heldOutLights } from '@serin/inference/bin-scene/parameters';
import { seededRandom } from '@serin/inference/random';

import type { DetectionEvaluation } from '../../evaluate/detection.ts';
import type { Model } from '../../onnx/graph.ts';
import { openSession } from '../../onnx/session.ts';
import { renderBins, type BinSample } from './data.ts';
import { usualCounts } from './frames.ts';
import { judgeModel } from './predict.ts';
import { deploy, type Deployed } from './variants.ts';

export interface LightFigures {
  readonly form: 'float' | '8 bits';
  readonly light: string;
  readonly evaluation: DetectionEvaluation;
}

const forms = { fp32: 'float', u8s8: '8 bits' } as const;
const [calibrationFrames, unseenFrames] = [64, 128];

/** Judges a network as it is deployed, float and in 8 bits, on scenes and lights it has not learnt; `frames` of each. */
export async function judgeInLights(model: Model, frames: number, threads: number): Promise<{ figures: LightFigures[]; deployed: Deployed }> {
  const random = seededRandom('judge');
  const unseen = renderBins(random.fork('unseen'), 'any', unseenFrames);
  const calibration = renderBins(random.fork('calibration'), 'any', calibrationFrames);
  const deployed = await deploy({ model, calibration, unseen, choosing: unseen, seed: 1, queries: usualCounts.queries }, { threads });
  const each = Math.ceil(frames / heldOutLights.length);
  const sets: Record<string, BinSample[]> = {
    'the design light': renderBins(random.fork('design'), designLight, frames),
    'learnt lights': renderBins(random.fork('learnt'), 'any', frames),
    'lights not learnt': heldOutLights.flatMap((light, index) => renderBins(random.fork(`held out ${index}`), light, each)),
  };
  const figures: LightFigures[] = [];
  for (const variant of ['fp32', 'u8s8'] as const) {
    const bytes = deployed.variants.files.get(variant);
    // It was no faster here.
    if (bytes === undefined) continue;
    const session = await openSession(bytes, { threads });
    for (const [light, set] of Object.entries(sets)) figures.push({ form: forms[variant], light, evaluation: await judgeModel(session, set) });
    await session.release();
  }
  return { figures, deployed };
}

/** The figures of an evaluation in a line. */
export function describeEvaluation({ frames, parts, map50, centreError, angleError, rightShare }: DetectionEvaluation): string {
  return (
    `mAP@.5 ${map50.toFixed(3)}, centre ${centreError.median.toFixed(2)} px (p90 ${centreError.p90.toFixed(2)}), ` +
    `angle ${angleError.median.toFixed(1)} degrees (p90 ${angleError.p90.toFixed(1)}), ` +
    `${(100 * rightShare).toFixed(1)} % of ${frames} frames with ${parts} parts serve the picker`
  );
}
