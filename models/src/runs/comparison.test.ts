import { expect, test } from 'vitest';

import type { Environment, Run } from '@serin/protocol/api/runs';
import { environment as environmentSchema } from '@serin/protocol/api/runs';
import type { Digest, ModelName } from '@serin/protocol/ids';

import { compareRuns, differencesOnDevice, environmentDiff, repeatVerdict } from './comparison.ts';
import { codeRevision, readEnvironment } from './environment.ts';

const digest = (letter: string): Digest => letter.repeat(64) as Digest;

const environment: Environment = {
  product: '0.1.0',
  node: '20.20.2',
  ort: '1.30.0',
  platform: 'linux 6.1',
  arch: 'x64',
  cpu: 'A processor',
  cpuFlags: ['avx2', 'avx512_vnni', 'avx512f'],
  threads: 2,
  lockfile: digest('e'),
};

const run = (over: Partial<Run> = {}): Run => ({
  id: 'r1',
  model: 'churn' as ModelName,
  pipeline: 'churn' as ModelName,
  status: 'SUCCEEDED',
  jobId: null,
  createdAt: 1,
  createdBy: 'me',
  finishedAt: 2,
  seed: 1,
  code: { revision: 'a'.repeat(40), digest: digest('c') },
  data: { dataset: null, version: null, digest: digest('d'), rows: 100 },
  parameters: { 'train.trees': 300 },
  environment,
  stages: [{ name: 'train', state: 'done', key: digest('1'), ms: 3, words: '' }],
  metrics: { auc: 0.9 },
  baseline: null,
  weightDigest: digest('f'),
  gate: null,
  version: null,
  error: null,
  repeats: null,
  verdict: null,
  ...over,
});

test('runs that differ in nothing that matters have no differences, whoever ran them and when', () => {
  const { differences, sameWeights, metrics } = compareRuns(run(), run({ id: 'r2', createdAt: 9, createdBy: 'you' }));
  expect(differences).toEqual([]);
  expect(sameWeights).toBe(true);
  expect(metrics).toEqual([{ name: 'auc', left: 0.9, right: 0.9, difference: 0 }]);
});

test.each<[string, Partial<Run>]>([
  ['code', { code: { revision: 'a'.repeat(40), digest: digest('2') } }],
  ['code revision', { code: { revision: 'b'.repeat(40), digest: digest('c') } }],
  ['data', { data: { dataset: null, version: null, digest: digest('3'), rows: 100 } }],
  ['dataset', { data: { dataset: 'sales' as ModelName, version: 3, digest: digest('d'), rows: 100 } }],
  ['seed', { seed: 2 }],
  ['parameter train.trees', { parameters: { 'train.trees': 30 } }],
  ['parameter train.leaves', { parameters: { 'train.trees': 300, 'train.leaves': 5 } }],
  ['environment node', { environment: { ...environment, node: '22.1.0' } }],
  ['environment cpuFlags', { environment: { ...environment, cpuFlags: ['avx2'] } }],
  ['environment threads', { environment: { ...environment, threads: 1 } }],
  ['stage train', { stages: [{ name: 'train', state: 'done', key: digest('9'), ms: 3, words: '' }] }],
])('a difference in %s is told, and nothing else', (what, over) => {
  expect(compareRuns(run(), run(over)).differences.map((difference) => difference.what)).toEqual([what]);
});

test('a metric that only one run has has no difference', () => {
  expect(compareRuns(run(), run({ metrics: {} })).metrics).toEqual([{ name: 'auc', left: 0.9, right: null, difference: null }]);
});

test('a repetition is identical when weights and every figure are; otherwise what differs is told first, then why it may', () => {
  expect(repeatVerdict(run(), run({ id: 'r2', environment: { ...environment, threads: 1 } }))).toEqual({ identical: true, differences: [] });
  const { identical, differences } = repeatVerdict(
    run(),
    run({ weightDigest: digest('0'), metrics: { auc: 0.8 }, environment: { ...environment, ort: '1.31.0' } }),
  );
  expect(identical).toBe(false);
  expect(differences).toEqual([
    `weights: ${'f'.repeat(12)} then, ${'0'.repeat(12)} now`,
    'metric auc: 0.9 then, 0.8 now',
    'environment ort: 1.30.0 then, 1.31.0 now',
  ]);
  expect(repeatVerdict(run(), run({ weightDigest: null })).differences.at(-1)).toContain('as far as they are recorded');
  expect(repeatVerdict(run({ weightDigest: null }), run({ weightDigest: null })).identical).toBe(false);
});

const device = {
  agent: '0.1.0',
  runtime: 'node 20.20.2, onnxruntime-node 1.30.0',
  os: 'Linux',
  arch: 'x64',
  cpu: 'A processor',
  cpuFlags: environment.cpuFlags,
};

test.each<[string | undefined, Partial<typeof device>]>([
  [undefined, {}],
  [undefined, { arch: 'x86_64', runtime: 'onnxruntime-node 1.30.1' }],
  ['another processor architecture (arm64', { arch: 'arm64' }],
  ['no VNNI', { cpuFlags: ['avx2', 'avx512f'] }],
  ['no AVX-512', { cpuFlags: ['avx2', 'avx_vnni'] }],
  ['no AVX2', { cpuFlags: ['avx512_vnni', 'avx512f'] }],
  ['older ONNX Runtime (1.22.0', { runtime: 'node 22.1.0, onnxruntime-node 1.22.0' }],
  ['newer ONNX Runtime (1.31.0', { runtime: 'onnxruntime-node 1.31.0' }],
  ['runs in a browser', { runtime: 'onnxruntime-web 1.30.0' }],
  ['not known', { runtime: 'node 20.20.2, onnxruntime-node' }],
  ['older agent (0.0.9', { agent: '0.0.9' }],
  ['which does not tell its instruction sets', { cpu: 'Another', cpuFlags: [] }],
])('of a device, "%s" is told where it matters', (words, over) => {
  const found = differencesOnDevice(environment, { ...device, ...over });
  if (words === undefined) expect(found).toEqual([]);
  else expect(found).toEqual([expect.stringContaining(words)]);
});

test('devices that are alike are counted together, the many first', () => {
  const { devices } = environmentDiff(environment, [{ ...device, arch: 'arm64' }, device, device]);
  expect(devices.map(({ count, arch }) => [count, arch])).toEqual([
    [2, 'x64'],
    [1, 'arm64'],
  ]);
});

test('this machine says what it is', () => {
  const here = readEnvironment(2);
  expect(environmentSchema.parse(here)).toEqual(here);
  expect(here.ort).toMatch(/^\d+\.\d+\.\d+/);
  expect(here.lockfile).not.toBeNull();
  expect(codeRevision('/')).toBeNull();
});
