import { SerinError } from '@serin/protocol/errors';

import type { Model } from '../onnx/graph.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import { checkBatch, type Batch } from './batches.ts';
import { createCalibrator, type Calibrator, type CalibratorName } from './calibrators/calibrator.ts';
import type { ValueRange } from './parameters.ts';
import { openProbe, type Probe } from './probe.ts';

export type { Batch };

export interface CalibrationOptions {
  /** Gone through once, or as often as memory asks: not a generator that is used up then. */
  readonly batches: Iterable<Batch>;
  /** Float values whose range is wanted, with the elements they have for the first batch. */
  readonly values: ReadonlyMap<string, number>;
  readonly calibrator?: CalibratorName | undefined;
  /** Share of the values that the percentile calibrator keeps inside the range. */
  readonly keep?: number | undefined;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((fraction: number, words: string) => void) | undefined;
}

/** Of inner values that are held at a time; with more, the model runs more than once. */
const heldBytesMax = 256 * 1024 * 1024;
const keepOtherwise = 0.99999;

/** Runs the float model with its inner values as outputs and measures their ranges. */
export async function calibrate(model: Model, options: CalibrationOptions): Promise<Map<string, ValueRange>> {
  const { batches, calibrator = 'mse', keep = keepOtherwise, threads = 1, signal, onProgress } = options;
  const groups = groupValues(options.values);
  const total = Array.isArray(batches) ? batches.length : undefined;
  const ranges = new Map<string, ValueRange>();
  const wantsSample = calibrator !== 'min-max' && calibrator !== 'moving-average';
  for (const [place, values] of groups.entries()) {
    const calibrators = new Map([...values.keys()].map((name) => [name, createCalibrator(calibrator, keep)]));
    let probe: Probe | undefined;
    let count = 0;
    try {
      for (const batch of batches) {
        throwIfCancelled(signal);
        checkBatch(model.graph.inputs, batch, count);
        probe ??= await openProbe(model, values, rowsOf(batch), wantsSample, threads);
        await learn(probe, batch, calibrators, count);
        count += 1;
        onProgress?.(
          (place + (total === undefined ? 0 : count / total)) / groups.length,
          `ranges of values, batch ${count}${total === undefined ? '' : ` of ${total}`}`,
        );
        // What runs the model does not let go of the thread: without this no cancellation would come through.
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      await probe?.release();
    }
    if (count === 0) {
      throw new SerinError('CALIBRATION_MISFIT', {
        detail: place === 0 ? 'there is not one batch' : 'the batches could be gone through only once',
        hint: 'Give some inputs like those the model will see; a few dozen do',
      });
    }
    for (const [name, one] of calibrators) ranges.set(name, one.range());
  }
  return ranges;
}

function groupValues(values: ReadonlyMap<string, number>): ReadonlyMap<string, number>[] {
  const groups: Map<string, number>[] = [];
  let leftBytes = 0;
  for (const [name, elements] of values) {
    if (groups.length === 0 || leftBytes < elements * 4) {
      groups.push(new Map());
      leftBytes = heldBytesMax;
    }
    groups.at(-1)?.set(name, elements);
    leftBytes -= elements * 4;
  }
  return groups;
}

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
