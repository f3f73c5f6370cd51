import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import path from 'node:path';

import type { Model } from '../onnx/graph.ts';
import { inspectModel } from '../onnx/inspect.ts';
import { readModel, writeModel } from '../onnx/model-file.ts';
import { openSession } from '../onnx/session.ts';
import { quantiseDynamic } from '../quantise/dynamic.ts';
import { toHalfPrecision } from '../quantise/half.ts';
import { prepare } from '../quantise/prepare.ts';
import { quantise } from '../quantise/quantise.ts';
import type { QuantiseReport } from '../quantise/report.ts';
import { quantiseWeights } from '../quantise/weight-only.ts';
import { caseNames, openCase, type Case } from './quantise/cases.ts';
import { compareOutputs, compareSpeeds } from './quantise/comparison.ts';
import { openPythonQuantiser, quantiseInPython, type PythonQuantiser } from './quantise/python-quantiser.ts';

export const description = 'size, speed and loss of five models in 8 bits and the other forms, beside float (and with --peer what Python makes of them)';

type Figures = Record<string, number | string | boolean>;
interface Report {
  readonly table: string[][];
  readonly figures: Record<string, number | string | boolean | readonly Figures[]>;
}

/** The same for all that are compared. */
const threads = 1;
/** Work that is done once may take the whole machine, as Python's does. */
const workThreads = availableParallelism();
/** What of the task may be lost for 8 bits to be shipped. */
const lossMax = 0.003;
const wantedFlags = ['avx2', 'avx512f', 'avx512_vnni', 'avx_vnni', 'amx_int8', 'asimddp', 'i8mm'];

async function readFlags(): Promise<string[]> {
  const info = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const flags = new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(info)?.[1]?.trim().split(/\s+/));
  return wantedFlags.filter((flag) => flags.has(flag));
}

/** One form of a model, ready to be run. */
interface Form {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly model: Model;
  readonly seconds: number;
  readonly report?: QuantiseReport;
  readonly note?: string;
}

const statics = { u8s8: 'int8', u8u8: 'uint8' } as const;

async function makeForms({ model, calibration, heldOut }: Case, weightBits: 7 | 8): Promise<{ forms: Form[]; prepared: Model }> {
  const forms: Form[] = [{ name: 'fp32', bytes: writeModel(model), model, seconds: 0 }];
  const add = async (name: string, make: () => Promise<{ model: Model; report: QuantiseReport }>): Promise<void> => {
    const began = performance.now();
    try {
      const made = await make();
      forms.push({ name, ...made, bytes: writeModel(made.model), seconds: (performance.now() - began) / 1000 });
    } catch (error) {
      forms.push({ name, model, bytes: new Uint8Array(), seconds: 0, note: `failed: ${error instanceof Error ? error.message : String(error)}` });
    }
  };
  let prepared = model;
  for (const [name, weightType] of Object.entries(statics)) {
    await add(name, async () => {
      const made = await quantise(model, { batches: calibration, weightType, weightBits, threads: workThreads });
      prepared = made.prepared;
      return made;
    });
  }
  if (prepared === model) ({ model: prepared } = await prepare(model));
  // The passes alone win time too, which is not the bytes' merit.
  forms.push({ name: 'fp32 prepared', bytes: writeModel(prepared), model: prepared, seconds: 0 });
  const dimensions = sizesOf(prepared, heldOut[0] ?? {});
  await add('dyn8', async () => quantiseDynamic(prepared, { weightBits }));
  await add('w8', async () => quantiseWeights(prepared, { bits: 8 }));
  await add('w4', async () => quantiseWeights(prepared, { bits: 4 }));
  await add('fp16', async () => toHalfPrecision(prepared, { dimensions }));
  return { forms, prepared };
}

/** What the free dimensions of the inputs are in this example. */
function sizesOf({ graph }: Model, example: Case['heldOut'][number]): Record<string, number> {
  const sizes = graph.inputs.flatMap(({ name, dims }) =>
    dims.map((dim, axis): [Model['graph']['inputs'][number]['dims'][number], number] => [dim, example[name]?.dims[axis] ?? 1]),
  );
  return Object.fromEntries(sizes.filter(([dim]) => typeof dim === 'string'));
}

const peerSettings: Record<string, { operators?: readonly string[] }> = {
  python: {},
  'python, products only': { operators: ['Conv', 'MatMul', 'Gemm'] },
};

async function makePeerForms(peer: PythonQuantiser, one: Case, prepared: Model): Promise<Form[]> {
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

const heavy = new Set(['Conv', 'ConvTranspose', 'FusedConv', 'MatMul', 'FusedMatMul', 'Gemm', 'FusedGemm']);
const conversions = new Set(['QuantizeLinear', 'DequantizeLinear', 'DynamicQuantizeLinear', 'Cast']);

/** What the runtime makes of it: products it does in float, and conversions between them. */
async function lookInside(bytes: Uint8Array): Promise<{ floatProducts: number; conversions: number }> {
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

const round = (value: number, digits = 0): number => Math.round(value * 10 ** digits) / 10 ** digits;

async function measureCase(one: Case, rounds: number, weightBits: 7 | 8, peer: PythonQuantiser | undefined): Promise<Figures[]> {
  const { forms, prepared } = await makeForms(one, weightBits);
  if (peer !== undefined) forms.push(...(await makePeerForms(peer, one, prepared)));
  const whole = forms.filter(({ bytes }) => bytes.length > 0);
  const decibels = await compareOutputs(whole, one.heldOut, threads);
  const speeds = await compareSpeeds(whole, one.heldOut, rounds, threads);
  const rows: Figures[] = forms.filter((form) => !whole.includes(form)).map(({ name, note = '' }) => ({ model: one.name, form: name, note }));
  for (const [index, { name, bytes, model, seconds, report, note }] of whole.entries()) {
    const figures = (await one.task?.judge(model)) ?? {};
    const speed = speeds[index];
    rows.push({
      model: one.name,
      form: name,
      kb: round(bytes.length / 1024),
      p50Ms: round(speed?.p50Ms ?? Number.NaN, 3),
      timesFloat: round(speed?.timesFirst ?? Number.NaN, 3),
      ...(index === 0 ? {} : { sqnrDb: round(decibels[index] ?? Number.NaN, 2), seconds: round(seconds, 1) }),
      ...Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, round(value, 5)])),
      ...(report === undefined ? {} : { quantised: report.quantised.length, absorbed: report.absorbed.length, left: report.left.length }),
      ...(await lookInside(bytes)),
      ...(note === undefined || note === '' ? {} : { note }),
    });
  }
  return rows;
}

/** What would be shipped: the fastest whose loss is within the budget; float when nothing is faster. */
function chooseForm(rows: readonly Figures[], metric: string | undefined): string {
  const value = (row: Figures | undefined, key: string): number => Number(row?.[key] ?? Number.NaN);
  const float = rows.find(({ form }) => form === 'fp32');
  const eligible = rows.filter((row) => {
    if (!(String(row['form']) in statics) || !(value(row, 'timesFloat') > 1)) return false;
    return metric === undefined || value(row, metric) >= (1 - lossMax) * value(float, metric);
  });
  return String(eligible.toSorted((a, b) => value(b, 'timesFloat') - value(a, 'timesFloat'))[0]?.['form'] ?? 'fp32');
}

function tableRow(row: Figures, metric: string | undefined): string[] {
  const cell = (key: string): string => String(row[key] ?? '');
  const others = Object.entries(row).filter(([key]) => key === 'centrePx' || key === 'angleDeg');
  const task =
    metric === undefined || row[metric] === undefined
      ? ''
      : [`${metric} ${String(row[metric])}`, ...others.map(([key, value]) => `${key} ${String(value)}`)].join(', ');
  const inside = row['floatProducts'] === undefined ? '' : `${cell('floatProducts')} ${cell('conversions')}`;
  return [
    cell('model'),
    cell('form'),
    cell('kb'),
    cell('p50Ms'),
    cell('timesFloat'),
    cell('sqnrDb'),
    cell('seconds'),
    cell('left'),
    inside,
    task || cell('note'),
  ];
}

export async function run({ quick, peer: wantsPeer }: { quick: boolean; peer?: boolean }): Promise<Report> {
  const flags = await readFlags();
  const weightBits = flags.some((flag) => /vnni|amx_int8|asimddp|i8mm/.test(flag)) ? 8 : 7;
  const peer = wantsPeer === true ? await openPythonQuantiser() : undefined;
  const table: string[][] = [['model', 'form', 'KB', 'ms', 'x float', 'SQNR dB', 's', 'left', 'float products, conversions run', 'task, or note']];
  const rows: Figures[] = [];
  const chosen: Record<string, string> = {};
  // Of a quick run only the small ones: the detector alone takes minutes.
  const names = caseNames.filter((name) => !quick || !name.endsWith('detector'));
  for (const name of names.filter((one) => one.includes(process.env['SERIN_BENCH_ONLY'] ?? ''))) {
    const one = await openCase(name, { quick, calibrationImages: quick ? 20 : 100, heldOutImages: quick ? 10 : 40 });
    const found = await measureCase(one, quick ? 9 : 25, weightBits, peer);
    rows.push(...found);
    chosen[name] = chooseForm(found, one.task?.metric);
    table.push(...found.map((row) => tableRow(row, one.task?.metric)), ['', `ships ${chosen[name]}`, ...Array.from({ length: 8 }, () => '')]);
  }
  await peer?.close();
  const notes = [
    `${cpus()[0]?.model ?? 'processor'}: ${flags.join(' ') || 'none of the flags looked for'}; ${threads} thread each; weights of ${weightBits} bits in u8s8, u8u8 and dyn8`,
    'PP-OCR sees synthetic pictures of text: drawn letters, blurred, with noise; its SQNR is of its final outputs',
    ...(wantsPeer === true && peer === undefined ? ['the Python of SERIN_PYTHON has no onnxruntime.quantization'] : []),
    ...(peer === undefined ? [] : [`python: onnxruntime ${peer.version}, quant_pre_process and quantize_static, QDQ, per channel, U8S8, min-max`]),
  ];
  table.push(...notes.map((note) => [...Array.from({ length: 9 }, () => ''), note]));
  return {
    table,
    figures: {
      processors: availableParallelism(),
      flags: flags.join(' '),
      threads,
      weightBits,
      ...(peer === undefined ? {} : { python: peer.version }),
      ...Object.fromEntries(Object.entries(chosen).map(([name, form]) => [`ships ${name}`, form])),
      rows,
    },
  };
}
