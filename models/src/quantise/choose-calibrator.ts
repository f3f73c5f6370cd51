import type { Model } from '../onnx/graph.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import type { Batch } from './batches.ts';
import { calibratorNames, type CalibratorName } from './calibrators/calibrator.ts';
import { decibelsOf, noiseOf, referenceOf } from './recover/noise.ts';

export interface CalibratorContest {
  readonly prepared: Model;
  readonly batches: readonly Batch[];
  /** The 8-bit model with the ranges of this one. */
  readonly write: (calibrator: CalibratorName) => Model;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((fraction: number, words: string) => void) | undefined;
}

/** The calibrator whose model puts out, in its last layers, what is nearest to the float model's. */
export async function chooseCalibrator(contest: CalibratorContest): Promise<{ calibrator: CalibratorName; words: string }> {
  const { prepared, batches, write, threads, signal, onProgress } = contest;
  const running = { threads, signal };
  const reference = await referenceOf(prepared, batches, running);
  const found: { name: CalibratorName; decibels: number }[] = [];
  for (const name of calibratorNames) {
    throwIfCancelled(signal);
    onProgress?.(1, `ranges of values, trying those by ${name}`);
    found.push({ name, decibels: decibelsOf(await noiseOf(write(name), reference, running)) });
  }
  // The sort is stable: of equals it is the first.
  const [best, ...others] = found.toSorted((a, b) => b.decibels - a.decibels);
  const calibrator = best?.name ?? 'mse';
  const text = ({ name, decibels }: (typeof found)[number]): string => `${name} ${decibels.toFixed(1)} dB`;
  const examples = batches.reduce((sum, batch) => sum + (Object.values(batch)[0]?.dims[0] ?? 1), 0);
  return { calibrator, words: `ranges by ${best === undefined ? calibrator : text(best)} on ${examples} examples (${others.map(text).join(', ')})` };
}
