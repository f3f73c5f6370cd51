import { SerinError } from '@serin/protocol/errors';

import { elementCount, type Model, type Tensor } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runtimeTensor, type Session } from '../onnx/session.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import { checkBatch, type Batch } from './batches.ts';
import { createCalibrator, type Calibrator, type CalibratorName } from './calibrators/calibrator.ts';
import type { ValueRange } from './parameters.ts';

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
  for (const [place, values] of groups.entries()) {
    const calibrators = new Map(values.map((name) => [name, createCalibrator(calibrator, keep)]));
    const session = await openProbe(model, values, threads);
    let count = 0;
    try {
      for (const batch of batches) {
        throwIfCancelled(signal);
        checkBatch(model.graph.inputs, batch, count);
        await learn(session, batch, calibrators, count);
        count += 1;
        onProgress?.(
          (place + (total === undefined ? 0 : count / total)) / groups.length,
          `ranges of values, batch ${count}${total === undefined ? '' : ` of ${total}`}`,
        );
        // What runs the model does not let go of the thread: without this no cancellation would come through.
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      await session.release();
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

function openProbe(model: Model, values: readonly string[], threads: number): Promise<Session> {
  const outputs = values.map((name) => ({ name, type: 'float32' as const, dims: [] as number[] }));
  // Without declared shapes the runtime infers them itself.
  return openSession(writeModel({ ...model, graph: { ...model.graph, outputs } }, { shapelessOutputs: true }), { threads });
}

function groupValues(values: ReadonlyMap<string, number>): string[][] {
  const groups: string[][] = [];
  let leftBytes = 0;
  for (const [name, elements] of values) {
    if (groups.length === 0 || leftBytes < elements * 4) {
      groups.push([]);
      leftBytes = heldBytesMax;
    }
    groups.at(-1)?.push(name);
    leftBytes -= elements * 4;
  }
  return groups;
}

async function learn(session: Session, batch: Batch, calibrators: ReadonlyMap<string, Calibrator>, count: number): Promise<void> {
  const entries = Object.entries(batch);
  const feeds = Object.fromEntries(entries.map(([name, { type, data, dims }]) => [name, runtimeTensor(type, data, dims)]));
  const results = await session.run(feeds);
  const rows = rowsOf(entries.map(([, tensor]) => tensor));
  for (const [name, calibrator] of calibrators) {
    const values = results[name]?.data as Float32Array;
    if (values.length === 0) continue;
    const [min, max] = extremesOf(values, name, count);
    calibrator.add(values, min, max, rows);
  }
}

const rowsOf = (inputs: readonly Tensor[]): number => Math.min(...inputs.map(({ dims }) => (elementCount(dims) === 0 ? 1 : (dims[0] ?? 1))));

function extremesOf(values: Float32Array, name: string, count: number): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] as number;
    // True for what is not a number, too.
    if (!(value >= low)) {
      if (Number.isNaN(value)) throw notFinite(name, 'not a number', count);
      low = value;
    }
    if (value > high) high = value;
  }
  if (low === -Infinity || high === Infinity) throw notFinite(name, 'infinite', count);
  return [low, high];
}

const notFinite = (name: string, what: string, count: number): SerinError =>
  new SerinError('CALIBRATION_NOT_FINITE', { detail: `the value ${name} is ${what} for batch ${count + 1} of the calibration data` });
