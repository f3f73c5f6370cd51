import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import type { Model } from '../../onnx/graph.ts';
import { inspectModel } from '../../onnx/inspect.ts';
import { readModel, writeModel } from '../../onnx/model-file.ts';
import { openSession } from '../../onnx/session.ts';
import { quantiseDynamic } from '../../quantise/dynamic.ts';
import { toHalfPrecision } from '../../quantise/half.ts';
import { prepare } from '../../quantise/prepare.ts';
import { quantise, type QuantiseOptions, type Quantised } from '../../quantise/quantise.ts';
import { recover } from '../../quantise/recover/recover.ts';
import type { QuantiseReport } from '../../quantise/report.ts';
import { quantiseWeights } from '../../quantise/weight-only.ts';
import type { Case, Examples } from './cases.ts';
import { feedsOf } from './comparison.ts';
import { quantiseInPython, type PythonQuantiser } from './python-quantiser.ts';

/** One form of a model, ready to be run; without bytes it could not be made. */
export interface Form {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly model: Model;
  readonly seconds: number;
  readonly report?: QuantiseReport;
  readonly note?: string;
}

export interface FormOptions {
  readonly weightBits: 7 | 8;
  /** Of work that is done once. */
  readonly threads: number;
  /** Share of the task's metric that may be lost. */
  readonly lossMax: number;
}

export const staticForms = { u8s8: 'int8', u8u8: 'uint8' } as const;
export const exportedForm = 'fp32';
export const preparedForm = 'fp32 prepared';
const recoveredSuffix = ', recovered';

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Float, float without what need not be computed, and everything that can be made of it. */
export async function makeForms(one: Case, options: FormOptions): Promise<{ forms: Form[]; prepared: Model }> {
  const { model, calibration, heldOut, exclude } = one;
  const { weightBits, threads } = options;
  const forms: Form[] = [{ name: exportedForm, bytes: writeModel(model), model, seconds: 0 }];
  const add = async (name: string, make: () => Promise<Pick<Form, 'model' | 'report' | 'note'>>): Promise<void> => {
    const began = performance.now();
    try {
      const made = await make();
      forms.push({ name, ...made, bytes: writeModel(made.model), seconds: (performance.now() - began) / 1000 });
    } catch (error) {
      forms.push({ name, model, bytes: new Uint8Array(), seconds: 0, note: `failed: ${messageOf(error)}` });
    }
  };
  const { model: prepared } = await prepare(model);
  // The passes alone win time too, which is not the bytes' merit.
  forms.push({ name: preparedForm, bytes: writeModel(prepared), model: prepared, seconds: 0 });
  for (const [name, weightType] of Object.entries(staticForms)) {
    const settings = { batches: calibration, weightType, weightBits, threads, ...(exclude === undefined ? {} : { exclude }) };
    let plain: Quantised | undefined;
    await add(name, async () => {
      plain = await quantise(model, settings);
      return { ...plain, note: `ranges by ${plain.calibrator}` };
    });
    const recovered = plain === undefined ? undefined : await recoverLoss(one, plain, settings, options);
    if (recovered !== undefined) await add(`${name}${recoveredSuffix}`, recovered);
  }
  await add('dyn8', async () => quantiseDynamic(prepared, { weightBits }));
  await add('w8', async () => quantiseWeights(prepared, { bits: 8 }));
  await add('w4', async () => quantiseWeights(prepared, { bits: 4 }));
  await add('fp16', async () => toHalfPrecision(prepared, { dimensions: sizesOf(prepared, heldOut[0] ?? {}) }));
  return { forms, prepared };
}

/** As packaging does it where 8 bits lose more than they may; undefined where they do not. */
async function recoverLoss(
  { task }: Case,
  { prepared, calibrator, model }: Quantised,
  settings: QuantiseOptions,
  { lossMax }: FormOptions,
): Promise<(() => Promise<Pick<Form, 'model' | 'report' | 'note'>>) | undefined> {
  if (task === undefined) return undefined;
  const metric = async (judged: Model): Promise<number> => (await task.judge(judged))[task.metric] ?? Number.NaN;
  const floatMetric = await metric(prepared);
  if ((await metric(model)) >= floatMetric * (1 - lossMax)) return undefined;
  return async () => {
    const { quantised, path: steps } = await recover({ ...settings, model: prepared, prepared: true, calibrator, metric, floatMetric, lossMax });
    return { ...quantised, note: steps.map(({ words }) => words).join('; ') };
  };
}

/** What would ship where it is fast and near enough. */
export const isStatic = (name: string): boolean => Object.hasOwn(staticForms, name.replace(recoveredSuffix, ''));

/** What the free dimensions of the inputs are in this example. */
function sizesOf({ graph }: Model, example: Examples[number]): Record<string, number> {
  const sizes = graph.inputs.flatMap(({ name, dims }) =>
    dims.map((dim, axis): [Model['graph']['inputs'][number]['dims'][number], number] => [dim, example[name]?.dims[axis] ?? 1]),
  );
  return Object.fromEntries(sizes.filter(([dim]) => typeof dim === 'string'));
}

const peerSettings: Record<string, { operators?: readonly string[] }> = {
  python: {},
  'python, products only': { operators: ['Conv', 'MatMul', 'Gemm'] },
};
export const isPeer = (name: string): boolean => Object.hasOwn(peerSettings, name);

export async function makePeerForms(peer: PythonQuantiser, one: Case, prepared: Model): Promise<Form[]> {
  const forms: Form[] = [];
  for (const [name, settings] of Object.entries(peerSettings)) {
    const folder = await mkdtemp(path.join(tmpdir(), 'serin-peer-'));
    try {
      const made = await quantiseInPython(peer, folder, { model: one.model, prepared, calibration: one.calibration, ...settings });
      if ('error' in made) forms.push({ name, model: one.model, bytes: new Uint8Array(), seconds: 0, note: `failed: ${made.error}` });
      else forms.push({ name, bytes: made.bytes, model: readModel(made.bytes), seconds: made.seconds, note: made.converted });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  return forms;
}

/** Seconds that the float model alone takes for these examples: no calibration that runs it is quicker. */
export async function timeRuns(model: Model, examples: Examples, threads: number): Promise<number> {
  const session = await openSession(writeModel(model), { threads });
  try {
    const began = performance.now();
    for (const example of examples) await session.run(feedsOf(example));
    return (performance.now() - began) / 1000;
  } finally {
    await session.release();
  }
}

const heavy = new Set(['Conv', 'ConvTranspose', 'FusedConv', 'MatMul', 'FusedMatMul', 'Gemm', 'FusedGemm']);
const conversions = new Set(['QuantizeLinear', 'DequantizeLinear', 'DynamicQuantizeLinear', 'Cast']);

/** What the runtime makes of it: products it does in float, and conversions between them. */
export async function lookInside(bytes: Uint8Array): Promise<{ floatProducts: number; conversions: number }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'serin-optimised-'));
  try {
    const optimisedPath = path.join(folder, 'optimised.onnx');
    await (await openSession(bytes, { optimisedPath, optimisation: 'extended', quiet: true })).release();
    const entries = Object.entries(inspectModel(await readFile(optimisedPath)).operators);
    const count = (names: ReadonlySet<string>): number =>
      entries.reduce((sum, [name, times]) => sum + (names.has(name.slice(name.indexOf(':') + 1)) ? times : 0), 0);
    return { floatProducts: count(heavy), conversions: count(conversions) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
