import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { testEnvironment } from '../runs/testing.ts';
import { readRunResult, writeRunResult } from './run-folder.ts';

test('a check that had nothing to measure is kept as one that failed, with its words', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'serin-run-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const check = { name: 'against_champion', value: Number.NaN, limit: 0, passed: false, words: 'the serving version 1 cannot be asked' };
  const report = {
    seed: 1,
    code: { revision: '', digest: null },
    data: null,
    parameters: {},
    environment: testEnvironment,
    stages: [],
    metrics: { auc: Number.NaN, accuracy: 1 },
    baseline: null,
    weightDigest: null,
    gate: { passed: false, checks: [check] },
    series: [],
    artifacts: [],
    importance: null,
    confusion: null,
    intervals: {},
    slices: [],
    assumptions: [],
  };
  await writeRunResult(folder, { report, artifact: async () => undefined } as never);
  const read = await readRunResult(folder);
  expect(read?.report.gate).toEqual({ passed: false, checks: [{ ...check, value: null }] });
  expect(read?.report.metrics).toEqual({ accuracy: 1 });
});
