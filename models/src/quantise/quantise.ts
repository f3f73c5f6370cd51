import { elementCount, type Model } from '../onnx/graph.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import { checkBatch, dimensionsOf } from './batches.ts';
import { calibrate, type CalibrationOptions } from './calibrate.ts';
import type { CalibratorName } from './calibrators/calibrator.ts';
import { chooseCalibrator } from './choose-calibrator.ts';
import { rangeSources } from './known-ranges.ts';
import type { ValueRange, WeightBits } from './parameters.ts';
import { planQuantising, reportPlan, type Plan, type PlanOptions } from './plan.ts';
import { prepare } from './prepare.ts';
import type { QuantiseReport } from './report.ts';
import type { WeightForm } from './weights.ts';
import { writeQuantised } from './write-graph.ts';

export interface QuantiseOptions extends Omit<CalibrationOptions, 'values'>, Pick<PlanOptions, 'eager'> {
  /** uint8 weights suit browsers and processors without products of unsigned and signed bytes; they have 8 bits. */
  readonly weightType?: WeightForm['type'];
  /** Of int8 weights: 7 computes the same on every machine, 8 is finer where VNNI or its like is certain. */
  readonly weightBits?: WeightBits;
  /** Names of nodes of the prepared graph that stay float. */
  readonly exclude?: ReadonlySet<string>;
  /** Ranges of values of the prepared graph that were measured before; only others are measured. */
  readonly ranges?: ReadonlyMap<string, ValueRange>;
  /** The model comes out of `prepare` already. */
  readonly prepared?: boolean;
}

export interface Quantised {
  readonly model: Model;
  /** The float graph it was made from; names in the report and the ranges are its. */
  readonly prepared: Model;
  readonly ranges: ReadonlyMap<string, ValueRange>;
  /** What chose the ranges. */
  readonly calibrator: CalibratorName;
  readonly report: QuantiseReport;
}

/** Static 8-bit quantisation in QDQ form: activations uint8, weights 8 bits per channel, float wherever 8 bits do not pay. */
export async function quantise(model: Model, options: QuantiseOptions): Promise<Quantised> {
  const { signal, batches, weightBits = 7, weightType = 'int8' } = options;
  throwIfCancelled(signal);
  options.onProgress?.(0, 'preparing the graph');
  const prepared = options.prepared === true ? model : (await prepare(model)).model;
  throwIfCancelled(signal);
  const [first] = firstOf(batches);
  if (first !== undefined) checkBatch(prepared.graph.inputs, first, 0);
  const dimensions = dimensionsOf(prepared.graph.inputs, first);

  const plan = (ranges?: ReadonlyMap<string, ValueRange>): Plan => planQuantising(prepared, { ...options, dimensions, ranges });
  const draft = plan();
  const sources = rangeSources(prepared.graph, draft.values, draft.facts);
  const sizes = new Map<string, number>();
  for (const [name, source] of sources) {
    if (options.ranges?.has(name) !== true && typeof source === 'string') sizes.set(source, elementCount(draft.facts.type(source)?.dims ?? []));
  }
  const calibration = sizes.size === 0 ? undefined : await calibrate(prepared, { ...options, values: sizes });
  const rangesBy = (calibrator: CalibratorName): Map<string, ValueRange> => {
    const measured = calibration?.ranges(calibrator);
    const known = [...sources].map(([name, source]) => [name, options.ranges?.get(name) ?? (typeof source === 'string' ? measured?.get(source) : source)]);
    return new Map([...(options.ranges ?? []), ...(known as [string, ValueRange][])]);
  };
  const form: WeightForm = { type: weightType, bits: weightType === 'uint8' ? 8 : weightBits };
  const write = (calibrator: CalibratorName): Omit<Quantised, 'report'> & { readonly plan: Plan } => {
    const ranges = rangesBy(calibrator);
    const decided = plan(ranges);
    return { plan: decided, model: { ...prepared, graph: writeQuantised(prepared.graph, decided, ranges, form) }, prepared, ranges, calibrator };
  };
  const wanted = options.calibrator ?? 'auto';
  const choice =
    wanted !== 'auto' || calibration === undefined
      ? undefined
      : await chooseCalibrator({ ...options, prepared, batches: calibration.judging, write: (calibrator) => write(calibrator).model });
  const { plan: last, ...quantised } = write(choice?.calibrator ?? (wanted === 'auto' ? 'mse' : wanted));
  const report = reportPlan(last, warningsOf(last, quantised.ranges));
  return { ...quantised, report: choice === undefined ? report : { ...report, calibration: choice.words } };
}

function firstOf<Item>(items: Iterable<Item>): Item[] {
  for (const item of items) return [item];
  return [];
}

/** So many values are named; more follow from the same cause. */
const namedMax = 8;

function warningsOf({ values, steps }: Plan, ranges: ReadonlyMap<string, ValueRange>): string[] {
  const warnings: string[] = [];
  const constant = [...values].filter((name) => ranges.get(name)?.min === ranges.get(name)?.max);
  if (constant.length > 0) {
    const names = constant.slice(0, namedMax).join(', ') + (constant.length > namedMax ? ` and ${constant.length - namedMax} more` : '');
    warnings.push(`always the same number in the calibration data: ${names}. Either the network does not use it, or the data are too much alike`);
  }
  if (!steps.some((step) => step.as === 'bytes')) warnings.push('nothing computes with 8 bits: the model is as it was, only prepared');
  return warnings;
}
