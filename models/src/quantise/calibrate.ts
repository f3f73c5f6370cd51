import { SerinError } from '@serin/protocol/errors';

import type { Model } from '../onnx/graph.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import { checkBatch, type Batch } from './batches.ts';
import { createCalibrator, needsCounts, type Calibrator, type CalibratorName } from './calibrators/calibrator.ts';
import type { ValueRange } from './parameters.ts';
import { openProbe, type Probe } from './probe.ts';

export type { Batch };

export interface CalibrationOptions {
  /** Gone through once. */
  readonly batches: Iterable<Batch>;
  /** Float values whose range is wanted, with the elements they have for the first batch. */
  readonly values: ReadonlyMap<string, number>;
  /** `auto`: whichever leaves the answers nearest to those of the float model, on batches it did not learn from. */
  readonly calibrator?: CalibratorName | 'auto' | undefined;
  /** Share of the values that the percentile calibrator keeps inside the range. */
  readonly keep?: number | undefined;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((fraction: number, words: string) => void) | undefined;
}

export interface Calibration {
  /** What was learnt, as one of the calibrators sees it. */
  ranges(by: CalibratorName): Map<string, ValueRange>;
  /** Batches to choose a calibrator on: with `auto`, others than those that were learnt from, where there are enough. */
  readonly judging: readonly Batch[];
}

const keepOtherwise = 0.99999;
/** One batch in so many is kept to choose on, until there are so many examples. */
const [judgedEvery, judgedExamplesMax] = [4, 8];

/** Runs the float model with the extremes and samples of inner values as outputs, once for all calibrators. */
export async function calibrate(model: Model, options: CalibrationOptions): Promise<Calibration> {
  const { batches, calibrator = 'auto', keep = keepOtherwise, threads = 1, signal, onProgress, values } = options;
  const isAuto = calibrator === 'auto';
  const total = Array.isArray(batches) ? batches.length : undefined;
  const calibrators = new Map([...values.keys()].map((name) => [name, createCalibrator(keep, isAuto || needsCounts(calibrator))]));
  const judging = { held: [] as Batch[], learnt: [] as Batch[] };
  let probe: Probe | undefined;
  let count = 0;
  try {
    for (const batch of batches) {
      throwIfCancelled(signal);
      checkBatch(model.graph.inputs, batch, count);
      if (isAuto && count % judgedEvery === judgedEvery - 1 && wantsMore(judging.held)) judging.held.push(batch);
      else {
        probe ??= await openProbe(model, values, rowsOf(batch), threads);
        await learn(probe, batch, calibrators, count);
        if (isAuto && wantsMore(judging.learnt)) judging.learnt.push(batch);
      }
      count += 1;
      onProgress?.(total === undefined ? 0 : count / total, `ranges of values, batch ${count}${total === undefined ? '' : ` of ${total}`}`);
      // What runs the model does not let go of the thread: without this no cancellation would come through.
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    await probe?.release();
  }
  if (count === 0) {
    throw new SerinError('CALIBRATION_MISFIT', {
      detail: 'there is not one batch',
      hint: 'Give some inputs like those the model will see; a few dozen do',
    });
  }
  return {
    ranges: (by) => new Map([...calibrators].map(([name, one]) => [name, one.range(by)])),
    judging: judging.held.length > 0 ? judging.held : judging.learnt,
  };
}

const wantsMore = (batches: readonly Batch[]): boolean => batches.reduce((sum, batch) => sum + rowsOf(batch), 0) < judgedExamplesMax;

async function learn(probe: Probe, batch: Batch, calibrators: ReadonlyMap<string, Calibrator>, count: number): Promise<void> {
  for (const [name, { min, max, sum, sample }] of await probe.run(batch)) {
    if (Number.isNaN(sum) || Number.isNaN(min) || Number.isNaN(max)) throw notFinite(name, 'not a number', count);
    if (!Number.isFinite(min) || !Number.isFinite(max)) throw notFinite(name, 'infinite', count);
    calibrators.get(name)?.add(sample, min, max);
  }
}

const rowsOf = (batch: Batch): number => Math.min(...Object.values(batch).map(({ dims }) => dims[0] ?? 1));

const notFinite = (name: string, what: string, count: number): SerinError =>
  new SerinError('CALIBRATION_NOT_FINITE', { detail: `the value ${name} is ${what} for batch ${count + 1} of the calibration data` });
