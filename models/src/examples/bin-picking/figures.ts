import { designLight, heldOutLights } from '@serin/inference/bin-scene/parameters';
import { seededRandom } from '@serin/inference/random';

import type { DetectionEvaluation } from '../../evaluate/detection.ts';
import type { Model } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { openSession } from '../../onnx/session.ts';
import { quantise } from '../../quantise/quantise.ts';
import { renderBins, type BinSample } from './data.ts';
import { frameInput } from './network.ts';
import { withPeakPicking } from './peaks.ts';
import { framesTensor, judgeModel } from './predict.ts';

export interface LightFigures {
  readonly form: 'float' | '8 bits';
  readonly light: string;
  readonly evaluation: DetectionEvaluation;
}

const calibrationFrames = 64;

/** Judges a network, float and quantised, on scenes and lights it has not learnt; `frames` of each. */
export async function judgeInLights(model: Model, frames: number, threads: number): Promise<{ figures: LightFigures[]; quantised: Model }> {
  const random = seededRandom('judge');
  const calibration = framesTensor(renderBins(random.fork('calibration'), 'any', calibrationFrames));
  const { model: quantised } = await quantise(model, { batches: [{ [frameInput]: calibration }], threads });
  const each = Math.ceil(frames / heldOutLights.length);
  const sets: Record<string, BinSample[]> = {
    'the design light': renderBins(random.fork('design'), designLight, frames),
    'learnt lights': renderBins(random.fork('learnt'), 'any', frames),
    'lights not learnt': heldOutLights.flatMap((light, index) => renderBins(random.fork(`held out ${index}`), light, each)),
  };
  const figures: LightFigures[] = [];
  for (const [form, one] of [
    ['float', model],
    ['8 bits', quantised],
  ] as const) {
    const session = await openSession(writeModel(withPeakPicking(one)), { threads });
    for (const [light, set] of Object.entries(sets)) figures.push({ form, light, evaluation: await judgeModel(session, set) });
    void session.release();
  }
  return { figures, quantised };
}

/** The figures of an evaluation in a line. */
export function describeEvaluation({ frames, parts, map50, centreError, angleError, rightShare }: DetectionEvaluation): string {
  return (
    `mAP@.5 ${map50.toFixed(3)}, centre ${centreError.median.toFixed(2)} px (p90 ${centreError.p90.toFixed(2)}), ` +
    `angle ${angleError.median.toFixed(1)} degrees (p90 ${angleError.p90.toFixed(1)}), ` +
    `${(100 * rightShare).toFixed(1)} % of ${frames} frames with ${parts} parts serve the picker`
  );
}
