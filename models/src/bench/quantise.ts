import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';

import { caseNames, openCase, type Case } from './quantise/cases.ts';
import { compareOutputs, compareSpeeds, median, timesAsFast } from './quantise/comparison.ts';
import { exportedForm, isPeer, isStatic, lookInside, makeForms, makePeerForms, preparedForm, timeRuns, type FormOptions } from './quantise/forms.ts';
import { openPythonQuantiser, type PythonQuantiser } from './quantise/python-quantiser.ts';
import { chooseForm, holdAgainstPeer, round, tableHead, tableRow, verdictRow, type Row } from './quantise/rows.ts';

export const description = 'size, speed and loss of five models in 8 bits and the other forms, beside float (and with --peer what Python makes of them)';

interface Report {
  readonly table: string[][];
  readonly figures: Record<string, number | string | boolean | readonly Row[]>;
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

interface Comparison {
  readonly rows: Row[];
  /** Milliseconds of each form that could be made, round by round. */
  readonly times: ReadonlyMap<string, readonly number[]>;
}

async function measureCase(one: Case, rounds: number, options: FormOptions, peer: PythonQuantiser | undefined): Promise<Comparison> {
  const { forms, prepared } = await makeForms(one, options);
  const runSeconds = await timeRuns(prepared, one.calibration, options.threads);
  if (peer !== undefined) forms.push(...(await makePeerForms(peer, one, prepared)));
  const whole = forms.filter(({ bytes }) => bytes.length > 0);
  const decibels = await compareOutputs(whole, one.heldOut, threads);
  const speeds = await compareSpeeds(whole, one.heldOut, rounds, threads);
  const times = new Map(whole.map(({ name }, index) => [name, speeds[index] ?? []]));
  const rows: Row[] = forms.filter((form) => !whole.includes(form)).map(({ name, note = '' }) => ({ model: one.name, form: name, note }));
  for (const [index, { name, bytes, model, seconds, report, note }] of whole.entries()) {
    const own = times.get(name) ?? [];
    const figures = (await one.task?.judge(model)) ?? {};
    const isFloat = name === exportedForm || name === preparedForm;
    rows.push({
      model: one.name,
      form: name,
      kb: round(bytes.length / 1024),
      p50Ms: round(median(own), 3),
      timesFloat: round(timesAsFast(own, times.get(exportedForm) ?? []), 3),
      timesPrepared: round(timesAsFast(own, times.get(preparedForm) ?? []), 3),
      ...(index === 0 ? {} : { sqnrDb: round(decibels[index] ?? Number.NaN, 2) }),
      ...(isFloat ? {} : { seconds: round(seconds, 1) }),
      ...(isStatic(name) ? { runSeconds: round(runSeconds, 1) } : {}),
      ...Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, round(value, 5)])),
      ...(report === undefined ? {} : { quantised: report.quantised.length, absorbed: report.absorbed.length, left: report.left.length }),
      ...(report?.calibration === undefined ? {} : { calibration: report.calibration }),
      ...(await lookInside(bytes)),
      ...(note === undefined || note === '' ? {} : { note }),
    });
  }
  return { rows, times };
}

export async function run({ quick, peer: wantsPeer }: { quick: boolean; peer?: boolean }): Promise<Report> {
  const flags = await readFlags();
  const weightBits = flags.some((flag) => /vnni|amx_int8|asimddp|i8mm/.test(flag)) ? 8 : 7;
  const peer = wantsPeer === true ? await openPythonQuantiser() : undefined;
  const table: string[][] = [tableHead];
  const rows: Row[] = [];
  const verdicts: Row[] = [];
  const chosen: Record<string, string> = {};
  // Of a quick run only the small ones: the detector alone takes minutes.
  const names = caseNames.filter((name) => !quick || !name.includes('detector'));
  for (const name of names.filter((one) => one.includes(process.env['SERIN_BENCH_ONLY'] ?? ''))) {
    const one = await openCase(name, { quick, calibrationImages: quick ? 20 : 100, heldOutImages: quick ? 10 : 40 });
    const { rows: found, times } = await measureCase(one, quick ? 7 : 25, { weightBits, threads: workThreads, lossMax }, peer);
    const form = chooseForm(found, one.task?.metric, lossMax);
    chosen[name] = form;
    rows.push(...found);
    table.push(...found.map((row) => tableRow(row, one.task?.metric)), verdictRow(`ships ${form}`));
    if (!found.some((row) => isPeer(String(row['form'])))) continue;
    const verdict = holdAgainstPeer({ rows: found, times, metric: one.task?.metric, lossMax });
    verdicts.push(verdict);
    table.push(verdictRow(String(verdict['words'])));
  }
  await peer?.close();
  const notes = [
    `${cpus()[0]?.model ?? 'processor'}: ${flags.join(' ') || 'none of the flags looked for'}; ${threads} thread each; weights of ${weightBits} bits in u8s8, u8u8 and dyn8`,
    'x float: against float as exported, then against float as we prepare it; s: to make it, and what the float model alone takes for the same pictures',
    'PP-OCR sees synthetic pictures of text: drawn letters, blurred, with noise; its SQNR is of its final outputs',
    ...(wantsPeer === true && peer === undefined ? ['the Python of SERIN_PYTHON has no onnxruntime.quantization'] : []),
    ...(peer === undefined ? [] : [`python: onnxruntime ${peer.version}, quant_pre_process and quantize_static, QDQ, per channel, U8S8, min-max`]),
  ];
  table.push(...notes.map(verdictRow));
  return {
    table,
    figures: {
      processors: availableParallelism(),
      flags: flags.join(' '),
      threads,
      weightBits,
      ...(peer === undefined ? {} : { python: peer.version, besidePython: verdicts }),
      ...Object.fromEntries(Object.entries(chosen).map(([name, form]) => [`ships ${name}`, form])),
      rows,
    },
  };
}
