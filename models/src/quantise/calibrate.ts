import type { Model, Tensor } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import type { ValueRange } from './parameters.ts';

/** Real inputs by name. */
export type Batch = Readonly<Record<string, Tensor>>;
export type CalibratorName = 'min-max' | 'percentile';

export interface CalibrationOptions {
  readonly batches: Iterable<Batch>;
  readonly calibrator?: CalibratorName;
  /** Names of the float values whose range is wanted. */
  readonly values: readonly string[];
  /** Share of the values kept inside the range, e.g. 0.99999; 1 is plain min-max. */
  readonly keep?: number;
  readonly threads?: number;
}

const histogramBins = 2048;

/** Runs the float model with its inner values as outputs and measures their ranges. */
export async function calibrate(model: Model, options: CalibrationOptions): Promise<Map<string, ValueRange>> {
  const { values, batches, calibrator = 'min-max', threads = 1 } = options;
  const keep = calibrator === 'percentile' ? (options.keep ?? 0.99999) : 1;
  const outputs = values.map((name) => ({ name, type: 'float32' as const, dims: [] as number[] }));
  // Without declared shapes the runtime infers them itself.
  const probed = { ...model, graph: { ...model.graph, outputs } };
  const session = await openSession(writeModel(probed, { shapelessOutputs: true }), { threads });
  try {
    const visit = async (each: (name: string, data: Float32Array) => void): Promise<void> => {
      for (const batch of batches) {
        const feeds = Object.fromEntries(Object.entries(batch).map(([name, tensor]) => [name, runtimeTensor(tensor.type, tensor.data, tensor.dims)]));
        const results = await session.run(feeds);
        for (const name of values) each(name, results[name]?.data as Float32Array);
      }
    };

    const ranges = new Map<string, { min: number; max: number }>();
    await visit((name, data) => {
      const range = ranges.get(name) ?? { min: Infinity, max: -Infinity };
      for (const value of data) {
        if (value < range.min) range.min = value;
        if (value > range.max) range.max = value;
      }
      ranges.set(name, range);
    });
    if (keep >= 1) return ranges;

    const histograms = new Map(values.map((name) => [name, new Float64Array(histogramBins)]));
    await visit((name, data) => {
      const { min, max } = ranges.get(name) ?? { min: 0, max: 0 };
      const bins = histograms.get(name) as Float64Array;
      const factor = max > min ? (histogramBins - 1) / (max - min) : 0;
      for (const value of data) {
        const bin = Math.round((value - min) * factor);
        bins[bin] = (bins[bin] ?? 0) + 1;
      }
    });
    return new Map(values.map((name) => [name, clipRange(ranges.get(name) ?? { min: 0, max: 0 }, histograms.get(name) ?? new Float64Array(1), keep)]));
  } finally {
    await session.release();
  }
}

/** Drops the outermost bins while no more than the rest of `keep` is lost, half on each side. */
export function clipRange({ min, max }: ValueRange, bins: ArrayLike<number>, keep: number): ValueRange {
  let total = 0;
  for (let bin = 0; bin < bins.length; bin += 1) total += bins[bin] ?? 0;
  const budget = (total * (1 - keep)) / 2;
  const width = (max - min) / Math.max(1, bins.length - 1);
  let low = 0;
  for (let lost = bins[0] ?? 0; lost <= budget && low < bins.length - 1; lost += bins[low] ?? 0) low += 1;
  let high = bins.length - 1;
  for (let lost = bins[high] ?? 0; lost <= budget && high > low; lost += bins[high] ?? 0) high -= 1;
  return { min: min + low * width, max: min + high * width };
}
