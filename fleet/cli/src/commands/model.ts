import { open, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Model, ModelVersion } from '@serin/protocol/api/resources';
import { SerinError } from '@serin/protocol/errors';
import { modelName } from '@serin/protocol/ids';
import { bundleBytesMax } from '@serin/protocol/limits';
import { readValue } from '../arguments.ts';
import { command, type Group } from '../command.ts';
import { exitCodes, unreadable, UsageError, type ExitCode } from '../exit-codes.ts';
import { formatAge, formatBytes, type Column } from '../output.ts';
import { timeoutArg, waitArg } from './job-end.ts';
import { importArgs, importModel } from './model-import.ts';
import { modelReport } from './model-report.ts';

const nameRule = 'lower-case letters, digits, - and _, 63 at most';

const models = (nowMs: number): Column<Model>[] => [
  { title: 'model', cell: ({ name }) => name },
  { title: 'champion', cell: ({ champion }) => (champion === null ? '-' : String(champion)) },
  { title: 'versions', cell: ({ versions }) => versions },
  { title: 'devices', cell: ({ devices }) => devices },
  { title: 'made', cell: ({ createdAt }) => formatAge(createdAt, nowMs) },
];

const versions = (nowMs: number): Column<ModelVersion>[] => [
  { title: 'version', cell: ({ version }) => version },
  { title: 'origin', cell: ({ origin }) => origin },
  { title: 'gate', cell: ({ gate }) => (gate === null ? '-' : gate.passed ? { text: 'passed', tone: 'good' } : { text: 'failed', tone: 'bad' }) },
  // Of a classifier, or of a detector.
  { title: 'quality', cell: ({ metrics: { accuracy, map50 } }) => (accuracy ?? map50)?.toFixed(4) ?? '-' },
  { title: 'size', cell: ({ bytes }) => formatBytes(bytes) },
  { title: 'variants', cell: (version) => version.variants.map(({ name }) => name).join(', ') },
  { title: 'devices', cell: ({ devices }) => devices },
  { title: 'made', cell: ({ createdAt, createdBy }) => `${formatAge(createdAt, nowMs)} by ${createdBy}` },
  { title: 'note', cell: ({ note }) => note },
];

const variantWords = ({ name, bytes, devices, p50Ms }: ModelVersion['variants'][number]): string =>
  `${name} ${formatBytes(bytes)}${devices === 0 ? '' : ` on ${devices} ${devices === 1 ? 'device' : 'devices'}`}${p50Ms === null ? '' : ` (${p50Ms.toFixed(2)} ms)`}`;

const versionFields = (version: ModelVersion) =>
  [
    ['model', version.model],
    ['version', version.version],
    ['manifest', version.manifest],
    ['signed by', version.signedBy],
    ['size', formatBytes(version.bytes)],
    ['variants', version.variants.map(variantWords).join(', ')],
    ['labels', version.labels.join(', ') || '-'],
    ['note', version.note || '-'],
  ] as const;

async function readModelFile(file: string): Promise<Uint8Array> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(file, 'r');
  } catch (cause) {
    throw unreadable(file, cause);
  }
  try {
    const { size } = await handle.stat();
    if (size > bundleBytesMax) throw new SerinError('TOO_LARGE', { detail: `${file}: ${formatBytes(size)}, limit ${formatBytes(bundleBytesMax)}` });
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

/** `a,b,c`, or a text file with one label a line. */
async function readLabels(given: string): Promise<string> {
  if (!given.includes(',') && path.extname(given) === '.txt') {
    const text = await readFile(given, 'utf8').catch((cause: Error) => {
      throw unreadable(given, cause);
    });
    const labels = text.split(/\r?\n/).map((line) => line.trim());
    if (labels.some((label) => label.includes(','))) throw new UsageError(`${given}: a label may not contain a comma`);
    return labels.filter((label) => label !== '').join(',');
  }
  return given;
}

export const modelGroup: Group = {
  description: 'models and their versions',
  commands: {
    ls: command('List models', {}, async (_, { api, world, showList, link }) => {
      const { items } = await api('listModels');
      showList(models(world.nowMs()), items, 'No model yet. `serin model push model.onnx --name NAME` brings one.');
      link('/models');
    }),
    versions: command(
      'List the versions of a model, newest first',
      { name: { type: 'positional', required: true, description: 'the model' } },
      async ({ name }, { api, world, showList, link }) => {
        const { items } = await api('listVersions', { params: { name: readValue(modelName, name, 'NAME', nameRule) } });
        showList(versions(world.nowMs()), items, 'No version yet.');
        link('/models');
      },
    ),
    report: modelReport,
    push: command(
      'Push an ONNX file: checked, packaged and signed; with --calibrate also made ready for frames, quantised, measured and judged',
      {
        file: { type: 'positional', required: true, description: 'the .onnx file' },
        name: { type: 'string', valueHint: 'model', required: true, description: 'the model it is a version of' },
        note: { type: 'string', valueHint: 'text', description: 'what is new' },
        labels: { type: 'string', valueHint: 'a,b,c or labels.txt', description: 'names of the classes, in order' },
        ...importArgs,
        ...waitArg,
        ...timeoutArg,
      },
      async ({ file, name, note, labels, calibrate, spec, wait, 'timeout-s': timeoutS }, session): Promise<ExitCode> => {
        const { api, showOne, say, link } = session;
        const model = readValue(modelName, name, '--name', nameRule);
        if (calibrate !== undefined || spec !== undefined) {
          const names = labels === undefined ? [] : (await readLabels(labels)).split(',').map((label) => label.trim());
          return importModel({ file, model, labels: names, note, calibrate, spec, wait, timeoutS }, session);
        }
        const raw = await readModelFile(file);
        const query = { ...(note === undefined ? {} : { note }), ...(labels === undefined ? {} : { labels: await readLabels(labels) }) };
        say(`Sending ${path.basename(file)} (${formatBytes(raw.length)}) ...`);
        const version = await api('pushVersion', { params: { name: model }, query, raw });
        showOne(version, versionFields);
        say(`Roll it out: serin rollout start ${version.model} ${version.version}`);
        link('/models');
        return exitCodes.ok;
      },
    ),
  },
};
