import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { parseArgs, stripVTControlCharacters } from 'node:util';

import { seededRandom } from '@serin/inference/random';
import { SerinError, asSerinError, describeError } from '@serin/protocol/errors';

import { importFile } from '../tfjs/import-file.ts';
import { findFaults, checkModel } from './check.ts';
import { compareModels } from './compare.ts';
import { dumpModel } from './dump.ts';
import { openModelFile } from './external-data.ts';
import type { Model } from './graph.ts';
import { inferModel, type InferOptions } from './infer-model.ts';
import { modelBytesMax, writeModel } from './model-file.ts';
import { simplify } from './passes/simplify.ts';
import { formatSummary, summariseModel } from './summary.ts';

/** What the command ends with; docs/onnx.md has the same table. */
const exitCodes = { ok: 0, failure: 1, usage: 2, notFound: 4 } as const;

export interface Streams {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const help = `Usage: npm run --silent onnx -- COMMAND FILE [OUT] [options]

  check FILE          says whether the file is a sound model, and what is wrong with it
  dump FILE           its graph as text: inputs, weights with their range, a line for each node
  summary FILE        operators, parameters, multiply-adds and memory of one run
  simplify FILE OUT   writes a model that computes the same with fewer nodes
  import-tfjs FOLDER OUT
                      writes what a TensorFlow.js Layers model (a folder or its model.json) computes;
                      docs/tfjs.md says what is read

  --dim NAME=SIZE     size of a free dimension, such as the batch; 1 without it. May be repeated
  --json              summary as JSON
  -o, --output OUT    another way to name OUT
  --unroll            import-tfjs: recurrent layers step by step, so that they can be trained further
  --no-check          import-tfjs: do not compare with tfjs where that is installed
  --max-mb N          largest file to read, weights in other files included; ${modelBytesMax / 2 ** 20} without it
  --help
`;

class UsageError extends Error {}

/** Differences of this share of the largest output come from adding in another order. */
const toleranceShare = 1e-3;

interface Request {
  readonly file: string;
  readonly out: string | undefined;
  readonly dimensions: Record<string, number>;
  readonly json: boolean;
  readonly unroll: boolean;
  readonly compare: boolean;
  readonly sizeBytesMax: number;
}

/** Runs one command line; the only place where errors become words and an exit code. */
export async function runOnnxCommand(argv: readonly string[], streams: Streams): Promise<number> {
  const say = (text: string): void => streams.err(`onnx: ${printable(text)}\n`);
  try {
    const { positionals, values } = readArguments(argv);
    const [name = '', file = '', ...rest] = [...positionals, ...(values.output === undefined ? [] : [values.output])];
    if (values.help === true) {
      streams.out(help);
      return exitCodes.ok;
    }
    const act = Object.hasOwn(commands, name) ? commands[name as keyof typeof commands] : undefined;
    if (act === undefined) throw new UsageError(name === '' ? 'no command is given' : `there is no command "${name}"`);
    if (file === '') throw new UsageError('no file is given');
    const writes = writers.has(name);
    if (rest.length !== (writes ? 1 : 0)) throw new UsageError(writes ? 'it takes a file to read and one to write' : 'one file is enough');
    const dimensions = Object.fromEntries((values.dim ?? []).map(readDimension));
    const flags = { json: values.json === true, unroll: values.unroll === true, compare: values['no-check'] !== true };
    return await act({ file, out: rest[0], dimensions, ...flags, sizeBytesMax: readSize(values['max-mb']) }, streams, say);
  } catch (error) {
    if (error instanceof UsageError) {
      say(`${error.message}. See --help.`);
      return exitCodes.usage;
    }
    const coded = asSerinError(error);
    say(describeError(coded));
    return coded.code === 'NOT_FOUND' ? exitCodes.notFound : exitCodes.failure;
  }
}

const printable = (text: string): string => stripVTControlCharacters(text).replace(/\p{C}+/gu, ' ');

function readArguments(argv: readonly string[]) {
  const options = {
    dim: { type: 'string', multiple: true },
    json: { type: 'boolean' },
    'max-mb': { type: 'string' },
    output: { type: 'string', short: 'o' },
    unroll: { type: 'boolean' },
    'no-check': { type: 'boolean' },
    help: { type: 'boolean' },
  } as const;
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function readDimension(text: string): [string, number] {
  const cut = text.lastIndexOf('=');
  const size = Number(text.slice(cut + 1));
  if (cut < 1 || !/^\d{1,9}$/.test(text.slice(cut + 1))) throw new UsageError(`--dim ${text} is not NAME=SIZE`);
  return [text.slice(0, cut), size];
}

function readSize(text: string | undefined): number {
  if (text === undefined) return modelBytesMax;
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new UsageError(`--max-mb ${text} is not a number of megabytes`);
  return Number(text) * 2 ** 20;
}

type Command = (request: Request, streams: Streams, say: (text: string) => void) => Promise<number>;

/** The free dimensions; the sizes given must be sizes of some of them. */
function freeDimensions(model: Model, { dimensions }: Request): ReadonlySet<string> {
  const free = new Set(model.graph.inputs.flatMap(({ dims }) => dims.filter((dim) => typeof dim === 'string')));
  const unknown = Object.keys(dimensions).find((name) => !free.has(name));
  if (unknown !== undefined) throw new UsageError(`no dimension is called ${unknown}; there are ${[...free].join(', ') || 'none that are free'}`);
  return free;
}

/** Makes sure that the sizes given are sizes of something, and says what is taken for the others. */
function sizesFor(model: Model, request: Request, say: (text: string) => void): InferOptions {
  const { dimensions } = request;
  const taken = [...freeDimensions(model, request)].filter((name) => dimensions[name] === undefined);
  if (taken.length > 0) say(`${taken.join(', ')} taken as 1; --dim ${taken[0] ?? ''}=SIZE says otherwise`);
  return { dimensions, otherwise: 1 };
}

/** Reads the file and refuses what is not sound. */
async function read(request: Request, say: (text: string) => void): Promise<{ model: Model; options: InferOptions }> {
  const model = checkModel(await openModelFile(request.file, request));
  return { model, options: sizesFor(model, request, say) };
}

const check: Command = async (request, { out }, say) => {
  const model = await openModelFile(request.file, request);
  const faults = findFaults(model);
  for (const { code, detail, hint } of faults) say(describeError(new SerinError(code, { detail, hint })));
  if (faults.length > 0) return exitCodes.failure;

  const ordered = checkModel(model);
  const options = sizesFor(ordered, request, say);
  const { unknown } = inferModel(ordered, { ...options, tolerant: true });
  const { parameters } = summariseModel(ordered, options);
  out(`sound: ${ordered.graph.nodes.length} nodes, ${parameters} parameters, opset ${ordered.opsets[''] ?? 'none'}\n`);
  if (model !== ordered) out('its nodes were not in an order they can run in; they are when it is written again\n');
  for (const { reason } of unknown.slice(0, 20)) out(`shape unknown: ${printable(reason.detail ?? reason.message)}\n`);
  if (unknown.length > 20) out(`shape unknown: ${unknown.length - 20} more\n`);
  return exitCodes.ok;
};

const dump: Command = async (request, { out }, say) => {
  const { model, options } = await read(request, say);
  out(dumpModel(model, inferModel(model, { ...options, tolerant: true })));
  return exitCodes.ok;
};

const summary: Command = async (request, { out }, say) => {
  const { model, options } = await read(request, say);
  const cost = summariseModel(model, options);
  out(request.json ? `${JSON.stringify(cost, null, 2)}\n` : formatSummary(cost));
  return exitCodes.ok;
};

const simplifyFile: Command = async (request, { out }, say) => {
  const { model, options } = await read(request, say);
  const simpler = await simplify(model);
  const difference = await differenceBetween(model, simpler, options, say);
  if (difference !== undefined && difference > toleranceShare) {
    throw new SerinError('MODEL_UNSUPPORTED', {
      detail: `simplified, its outputs differ by ${difference.toPrecision(2)}`,
      hint: 'Nothing was written; use the model as it is',
    });
  }
  await writeWhole(request.out ?? '', writeModel(simpler));
  out(`${model.graph.nodes.length} nodes became ${simpler.graph.nodes.length}\n`);
  if (difference !== undefined) out(`same outputs on random inputs: they differ by ${difference.toPrecision(2)} of the largest value at most\n`);
  return exitCodes.ok;
};

const importTfjs: Command = async (request, { out }, say) => {
  const { model, lines } = await importFile(request.file, { ...request, say });
  freeDimensions(model, request);
  await writeWhole(request.out ?? '', writeModel(model));
  for (const line of lines) out(`${printable(line)}\n`);
  return exitCodes.ok;
};

async function differenceBetween(before: Model, after: Model, options: InferOptions, say: (text: string) => void): Promise<number | undefined> {
  try {
    return await compareModels(before, after, seededRandom(1), options);
  } catch (error) {
    say(`not compared, because it does not run on random inputs of these sizes: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

/** All of the file or nothing of it. */
async function writeWhole(file: string, bytes: Uint8Array): Promise<void> {
  const partial = `${file}.${randomBytes(6).toString('hex')}.partial`;
  try {
    const handle = await open(partial, 'wx');
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, file);
  } catch (cause) {
    await rm(partial, { force: true });
    const coded = asSerinError(cause);
    throw coded.code === 'DISK_FULL'
      ? coded
      : new SerinError('NOT_FOUND', { detail: `${file} cannot be written`, hint: 'Check that its folder exists and is yours to write to', cause });
  }
}

const commands = { check, dump, summary, simplify: simplifyFile, 'import-tfjs': importTfjs } as const satisfies Record<string, Command>;
const writers: ReadonlySet<string> = new Set(['simplify', 'import-tfjs']);
