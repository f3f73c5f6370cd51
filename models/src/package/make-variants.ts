import type { Variant } from '@serin/protocol/bundle/manifest';
import type { ReportVariant } from '@serin/protocol/bundle/report';
import { asSerinError } from '@serin/protocol/errors';
import type { QuantiseSettings } from '@serin/protocol/pipeline';

import { measureLatency, type LatencyOptions } from '../evaluate/latency.ts';
import type { LatencyReport } from '../evaluate/measured.ts';
import type { Model } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import type { Batch } from '../quantise/batches.ts';
import { quantiseDynamic } from '../quantise/dynamic.ts';
import { toHalfPrecision } from '../quantise/half.ts';
import { prepare } from '../quantise/prepare.ts';
import { recover, type RecoveryStep } from '../quantise/recover/recover.ts';
import type { QuantiseReport } from '../quantise/report.ts';
import { quantiseWeights } from '../quantise/weight-only.ts';
import { throwIfCancelled } from '../train/cancellation.ts';

/** What is known of one form of the model, float among them. */
export interface MadeVariant extends Pick<ReportVariant, 'variant' | 'bytes' | 'latency' | 'time' | 'quantised' | 'left' | 'leftCount' | 'recovery'> {
  /** Why there is no file of it: too slow, lost too much, could not be made. */
  readonly leftOut?: string;
}

export interface VariantsRequest {
  /** Float, as it is deployed. */
  readonly model: Model;
  readonly settings: QuantiseSettings;
  /** What ranges are learnt from; empty where there is nothing to learn them from. */
  readonly calibration: readonly Batch[];
  /** Single questions as a device will ask them. */
  readonly queries: readonly Batch[];
  /** How well a model does, higher is better: losses are of this. */
  readonly metric: (model: Model) => Promise<number>;
  /** Nodes that stay in float, by name: layers before an answer whose numbers are few, say. */
  readonly exclude?: ReadonlySet<string>;
  readonly seed: number;
}

export interface VariantsOptions extends Pick<LatencyOptions, 'queriesMin' | 'queriesMax' | 'timeMsMin' | 'timeMsMax' | 'memory'> {
  readonly threads?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (fraction: number | null, words: string) => void;
  readonly onNote?: (line: string) => void;
}

export interface Variants {
  /** Float first; what there are files of, whether or not a gate lets them pass. */
  readonly files: ReadonlyMap<Variant, Uint8Array>;
  readonly made: readonly MadeVariant[];
  readonly latency: LatencyReport;
}

/** Forms whose gain is time on processors like this one: slower, they are of no use. Others are for machines this one cannot speak for. */
const forThisMachine: ReadonlySet<Variant> = new Set(['u8s8', 'dyn8']);
const leftShown = 200;
/** Of one variant; what a remedy has begun is finished. */
const recoveryMsMax = 60_000;

interface Form {
  readonly variant: Variant;
  readonly bytes: Uint8Array | undefined;
  readonly facts: Pick<MadeVariant, 'quantised' | 'left' | 'leftCount' | 'recovery'>;
  readonly leftOut?: string;
}

/** Makes every form that is asked for, measures all of them turn about, and says of each that is of no use why. */
export async function makeVariants(request: VariantsRequest, options: VariantsOptions = {}): Promise<Variants> {
  const { model, settings, metric, queries } = request;
  const { signal, onProgress = () => undefined, onNote = () => undefined } = options;
  const float = writeModel(model);
  const floatMetric = await metric(model);
  const forms: Form[] = [{ variant: 'fp32', bytes: float, facts: {} }];
  const wanted = [...new Set(settings.variants)];
  for (const variant of wanted) {
    throwIfCancelled(signal);
    onProgress(null, `${variant}: making it`);
    const form = await attempt(variant, () => makeForm(variant, request, floatMetric, options), signal);
    if (form.bytes !== undefined && (form.facts.quantised ?? 0) === 0)
      forms.push({ ...form, bytes: undefined, leftOut: `${variant}: nothing in this model gains by it` });
    else forms.push(form);
  }
  const candidates = forms.flatMap(({ variant, bytes }) => (bytes === undefined ? [] : [{ name: variant, model: bytes, queries }]));
  const latency = await measureLatency(candidates, { ...options, onProgress: (fraction, words) => onProgress(fraction, `latency, ${words}`) });
  const files = new Map<Variant, Uint8Array>();
  const made = forms.map((form): MadeVariant => {
    const fact = madeOf(form, latency);
    if (form.bytes !== undefined && fact.leftOut === undefined) files.set(form.variant, form.bytes);
    if (fact.leftOut !== undefined) onNote(fact.leftOut);
    return fact;
  });
  return { files, made, latency };
}

async function attempt(variant: Variant, make: () => Promise<Form>, signal: AbortSignal | undefined): Promise<Form> {
  try {
    return await make();
  } catch (error) {
    if (signal?.aborted === true) throw error;
    const { code, detail, message } = asSerinError(error);
    // A fault of the calibration data is the caller's to mend: leaving the variant out would hide it.
    if (code.startsWith('CALIBRATION_') || code === 'INTERNAL') throw error;
    return { variant, bytes: undefined, facts: {}, leftOut: `${variant} could not be made: ${code}: ${detail ?? message}` };
  }
}

async function makeForm(variant: Variant, request: VariantsRequest, floatMetric: number, options: VariantsOptions): Promise<Form> {
  if (variant === 'u8s8' || variant === 'u8u8') return staticForm(variant, request, floatMetric, options);
  const { model } = await prepare(request.model);
  const rewritten =
    variant === 'fp16' ? toHalfPrecision(model) : variant === 'dyn8' ? quantiseDynamic(model) : quantiseWeights(model, { bits: variant === 'w4' ? 4 : 8 });
  return { variant, bytes: writeModel(rewritten.model), facts: factsOf(rewritten.report) };
}

async function staticForm(variant: 'u8s8' | 'u8u8', request: VariantsRequest, floatMetric: number, options: VariantsOptions): Promise<Form> {
  const { model, settings, calibration, metric, exclude, seed } = request;
  if (calibration.length === 0)
    return { variant, bytes: undefined, facts: {}, leftOut: `${variant} needs examples to learn the ranges of values from, and there are none` };
  const { threads, signal, onProgress = () => undefined } = options;
  const { quantised, path } = await recover({
    model,
    batches: calibration,
    calibrator: settings.calibrator,
    weightType: variant === 'u8u8' ? 'uint8' : 'int8',
    metric,
    floatMetric,
    lossMax: settings.lossMax,
    steps: settings.recover,
    fineTune: { seed },
    timeMsMax: recoveryMsMax,
    ...(exclude === undefined ? {} : { exclude }),
    ...(threads === undefined ? {} : { threads }),
    signal,
    onProgress: (fraction, words) => onProgress(fraction, `${variant}: ${words}`),
  });
  // Where nothing is in 8 bits, that is said once.
  if (quantised.report.quantised.length > 0) for (const words of quantised.report.warnings) options.onNote?.(`${variant}: ${words}`);
  const recovery = path.map(({ step, metric: reached, sqnrDb, taken, words }: RecoveryStep) => ({
    step,
    metric: finite(reached),
    sqnrDb: finite(sqnrDb),
    taken,
    words,
  }));
  return { variant, bytes: writeModel(quantised.model), facts: { ...factsOf(quantised.report), recovery } };
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

const factsOf = ({ quantised, absorbed, left }: QuantiseReport): Form['facts'] => ({
  quantised: quantised.length + absorbed.length,
  left: left.slice(0, leftShown).map(({ node, operator, words }) => ({ node: node.slice(0, 200), operator: operator.slice(0, 64), words })),
  leftCount: left.length,
});

function madeOf({ variant, bytes, facts, leftOut }: Form, latency: LatencyReport): MadeVariant {
  if (bytes === undefined) return { variant, bytes: 0, ...facts, leftOut: leftOut ?? `${variant} could not be made` };
  const own = latency.models.find(({ name }) => name === variant);
  const time = latency.ratios.find(({ name }) => name === variant)?.time ?? undefined;
  const { p50Ms = null, p90Ms = null, p99Ms = null, queries = 0, threads = 1, loadMs = null, memoryBytes = null } = own ?? {};
  const isSlow = time !== undefined && forThisMachine.has(variant) && time.value >= 1;
  return {
    variant,
    bytes: bytes.length,
    ...facts,
    latency: { p50Ms, p90Ms, p99Ms, queries, threads, loadMs, memoryBytes },
    ...(time === undefined ? {} : { time }),
    ...(isSlow ? { leftOut: `${variant} takes ${time.value.toFixed(2)} times as long as float on this machine: it would only lose` } : {}),
  };
}
