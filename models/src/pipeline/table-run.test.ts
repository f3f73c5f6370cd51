import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import { expect, test } from 'vitest';

import { decodeTrees } from '@serin/inference/trees/encode';
import { predictTrees, rowMajor } from '@serin/inference/trees/predict';
import type { Golden } from '@serin/protocol/bundle/golden';
import { report as reportSchema } from '@serin/protocol/bundle/report';
import { fromBase64 } from '@serin/protocol/digest';

import type { PipelineReport } from './request.ts';
import { renderReport } from '../report/html.ts';
import { checkReport, passesGolden } from './testing/checks.ts';
import { customers, executed, runIn, tablePipeline, workshop } from './testing/data.ts';

test('a CSV becomes a version that answers in the runtime and beats the linear baseline, with slices, importance and intervals', async () => {
  const folder = await workshop();
  await writeFile(path.join(folder, 'customers.csv'), customers(3000));
  const stages: string[] = [];
  const { report, version } = await runIn(folder, tablePipeline({ train: { kind: 'trees', trees: 80, leaves: 8, balanced: true } }), {
    onStage: ({ name, state }) => void stages.push(`${name} ${state}`),
  });
  checkReport(report);
  if (version === undefined) throw new Error(JSON.stringify(report.gate));
  expect(await passesGolden(version, 'fp32')).toBe(32);
  expect(version.task).toBe('table');
  expect(version.labels).toEqual(['no', 'yes']);
  expect(version.files.map(({ role }) => role).toSorted()).toEqual(['explainer', 'golden', 'model', 'preprocessing', 'profile', 'report']);
  // What explains the answers gives the answers, calibrated as they are.
  const bytesOf = (role: string): Uint8Array => version.files.find((one) => one.role === role)?.bytes ?? new Uint8Array();
  const { inputs, outputs } = (JSON.parse(new TextDecoder().decode(bytesOf('golden'))) as Golden).vectors[0] as Golden['vectors'][number];
  const features = new Float32Array(fromBase64(inputs['features']?.data ?? '').buffer);
  const explained = predictTrees(decodeTrees(bytesOf('explainer')), rowMajor(features, features.length), 1);
  expect(explained[1]).toBeCloseTo(outputs['probabilities']?.[1] ?? Number.NaN, 4);

  const told = reportSchema.parse(JSON.parse(new TextDecoder().decode(bytesOf('report'))));
  expect(told).toMatchObject({ model: 'churn', task: 'table', performance: { main: 'auc', baseline: { name: 'linear' } }, gate: { passed: true } });
  expect(told.performance?.metrics[0]).toMatchObject({ name: 'auc', value: report.metrics['auc'], ...report.intervals['auc'] });
  expect(told.performance?.slices).toHaveLength(report.slices.length);
  expect(told.data?.columns?.slice(0, 3).every(({ importance = 0 }) => importance > 0)).toBe(true);
  expect(told.data?.parts.map(({ rows }) => rows).reduce((sum, rows) => sum + rows, 0)).toBe(3000);
  expect(told.variants).toMatchObject([{ variant: 'fp32', ships: true }]);
  expect(renderReport(told)).toContain('AUC');

  expect(report.baseline?.name).toBe('linear');
  expect(report.metrics['auc']).toBeGreaterThan(report.baseline?.metrics['auc'] ?? 1);
  const { low, high } = report.intervals['auc'] ?? { low: 1, high: 0 };
  expect(low).toBeLessThan(report.metrics['auc'] ?? 0);
  expect(high).toBeGreaterThan(report.metrics['auc'] ?? 1);
  // What weighting of the classes did to the probabilities is mended again.
  expect(report.log.join('\n')).toContain('calibrated on the validation part');
  expect(report.metrics['ece']).toBeLessThan(0.06);
  expect(
    report.importance?.columns
      .slice(0, 3)
      .map(({ name }) => name)
      .toSorted(),
  ).toEqual(['months', 'plan', 'price']);
  expect(
    report.slices
      .filter(({ column }) => column === 'plan')
      .map(({ value }) => value)
      .toSorted(),
  ).toEqual(['basic', 'plus', 'pro']);
  expect(report.assumptions.join(' ')).toContain('all at once');
  expect(report.importance?.method).toContain('SHAP');
  expect(report.stages.find(({ name }) => name === 'quantise')).toMatchObject({ state: 'skipped' });
  expect(stages.indexOf('train running')).toBeGreaterThan(stages.indexOf('split done'));
});

test('numbers are predicted too, and the mean of the training part is no rival', async () => {
  const folder = await workshop();
  await writeFile(path.join(folder, 'customers.csv'), customers(1200));
  const file = tablePipeline({
    ingest: { files: ['customers.csv'], spec: { kind: 'table', label: 'price', id: 'customer' } },
    validate: { accept: ['label-missing'] },
    task: 'regression',
    train: { kind: 'linear' },
    evaluate: { repeats: 200 },
    gate: { limits: { r2: { min: 0.99 } } },
  });
  await expect(runIn(folder, file)).rejects.toMatchObject({ code: 'TRAINING_DATA_INVALID', detail: expect.stringContaining('price is missing') as string });
  await writeFile(path.join(folder, 'customers.csv'), customers(1200).replaceAll(',,', ',20,'));
  const failed = await runIn(folder, file);
  const { report, version, versionReport } = failed;
  expect(version).toBeUndefined();
  expect(report.gate?.passed).toBe(false);
  expect(report.gate?.checks.find(({ name }) => name === 'r2')?.words).toMatch(/r2 is \S+ on the test part; at least 0.99 is asked, it is off by/);
  expect(report.baseline?.name).toBe('mean');
  expect(report.stages.at(-1)).toMatchObject({ name: 'package', state: 'skipped', words: 'the gate did not let it pass' });
  // What was measured is kept of what did not pass, too, and is found again rather than made again.
  const told = reportSchema.parse(JSON.parse(new TextDecoder().decode(versionReport)));
  expect(told).toMatchObject({ performance: { baseline: { name: 'mean' } }, gate: { passed: false, checks: report.gate?.checks } });
  expect(renderReport(told)).toContain('Did not pass its gate');
  expect(report.artifacts.map(({ name }) => name).filter((name) => name.startsWith('package/'))).toEqual(['package/report.json']);
  const again = await runIn(folder, file);
  expect(executed(again)).toBe('');
  expect(again.versionReport).toEqual(versionReport);
});

test('what is wrong with the data is told by file and row, all at once, before anything trains, and a person may accept it', async () => {
  const folder = await workshop();
  const lines = customers(1200).split('\n');
  const told = lines.map((line, index) => (index === 0 ? `${line},answer` : line === '' ? '' : `${line},${line.endsWith('yes') ? 1 : 0}`));
  await writeFile(path.join(folder, 'customers.csv'), told.join('\n'));
  const stages: string[] = [];
  const reports: PipelineReport[] = [];
  const onReport = (report: PipelineReport) => void reports.push(report);
  await expect(runIn(folder, tablePipeline(), { onReport, onStage: ({ name, state }) => void stages.push(`${name} ${state}`) })).rejects.toMatchObject({
    code: 'DATA_ANOMALOUS',
    detail: expect.stringContaining('answer alone tells the label') as string,
    hint: expect.stringContaining('"accept": ["label-leak"]') as string,
  });
  expect(stages).toContain('validate failed');
  expect(stages).not.toContain('train running');
  const failed = reports.at(-1);
  expect(failed?.stages[1]?.words.match(/answer alone tells the label/g)).toHaveLength(1);
  const accepted = await runIn(folder, tablePipeline({ validate: { accept: ['label-leak'] }, evaluate: { repeats: 100 } }));
  expect(failed?.data).toEqual(accepted.report.data);
  expect(failed?.data?.rows).toBe(1200);
  // The pass over the data is not done again for that.
  expect(executed(accepted)).not.toContain('validate');

  told[3] = 'c1,basic';
  told[7] = 'c5,basic,many,20,n,yes,1';
  await writeFile(path.join(folder, 'customers.csv'), told.join('\n'));
  // What cannot be read and what is odd about the rest, at once.
  await expect(runIn(folder, tablePipeline(), { onReport })).rejects.toMatchObject({
    code: 'TRAINING_DATA_INVALID',
    detail: expect.stringMatching(/row 4[^]*answer alone tells the label/) as string,
  });
  // Other data, although nobody could count its rows.
  expect(reports.at(-1)?.data).toMatchObject({ digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string, rows: null });
  expect(reports.at(-1)?.data?.digest).not.toBe(failed?.data?.digest);
  await expect(runIn(folder, tablePipeline({ ingest: { files: ['a.csv', 'b.csv'], spec: { kind: 'table', label: 'left' } } }))).rejects.toMatchObject({
    code: 'TRAINING_DATA_INVALID',
    detail: expect.stringMatching(/a\.csv[^]*b\.csv/) as string,
  });
  const spec = { kind: 'table', label: 'leaves', id: 'client' } as const;
  await expect(runIn(folder, tablePipeline({ ingest: { files: ['customers.csv'], spec } }))).rejects.toMatchObject({
    code: 'TRAINING_DATA_INVALID',
    detail: expect.stringMatching(/the label column leaves is not there; it has .*left[^]*the id column client is not there/) as string,
  });
});

test('a new version is measured by the one that serves, on the same records; one that cannot be asked lets nothing pass', async () => {
  const folder = await workshop();
  await writeFile(path.join(folder, 'customers.csv'), customers(2000));
  const good = await runIn(folder, tablePipeline());
  const { version } = good;
  if (version === undefined) throw new Error(JSON.stringify(good.report.gate));
  const bytesOf = (role: string): Uint8Array => version.files.find((file) => file.role === role)?.bytes ?? new Uint8Array();
  const champion = { version: 1, labels: version.labels, model: bytesOf('model'), preprocessing: bytesOf('preprocessing'), metrics: version.metrics };
  const same = await runIn(folder, tablePipeline(), {}, { champion });
  expect(executed(same)).toBe('gate package');
  expect(same.report.gate?.checks.find(({ name }) => name === 'against_champion')).toMatchObject({ passed: true, value: 0 });

  const worse = await runIn(folder, tablePipeline({ train: { kind: 'linear' } }), {}, { champion });
  expect(worse.version).toBeUndefined();
  expect(worse.report.gate?.checks.find(({ passed }) => !passed)?.words).toContain('it is off by');

  const broken = await runIn(folder, tablePipeline(), {}, { champion: { ...champion, model: new Uint8Array(9) } });
  expect(broken.report.gate?.passed).toBe(false);
  expect(broken.report.gate?.checks.find(({ passed }) => !passed)?.words).toContain('cannot be asked');
});

test('a search tries its trials on the validation part and trains the best of them whole', async () => {
  const folder = await workshop();
  await writeFile(path.join(folder, 'customers.csv'), customers(1500));
  const file = tablePipeline({
    train: { kind: 'trees', trees: 27, patience: 0 },
    search: { trials: 6, keepOneIn: 3, firstShare: 0.3, space: { leaves: { from: 2, to: 16, log: true, whole: true }, learningRate: { oneOf: [0.05, 0.2] } } },
    evaluate: { repeats: 100 },
    gate: { beatBaseline: false },
  });
  const { report } = await runIn(folder, file);
  checkReport(report);
  expect(report.trials.length).toBe(6);
  expect(report.trials.filter(({ state }) => state === 'done' || state === 'stopped').length).toBe(6);
  const best = report.trials.filter(({ budget }) => budget === 1).toSorted((one, other) => (other.metric ?? 0) - (one.metric ?? 0))[0];
  expect(report.parameters['train.leaves']).toBe(best?.parameters['leaves']);
  expect(executed(await runIn(folder, file))).toBe('');
  // One trial as a job of a server has it: the same parameters give the same metric, and the test part is not asked.
  const trial = await runIn(folder, file, {}, { parameters: best?.parameters ?? {}, budget: 1, until: 'evaluate' });
  expect(trial.metric).toBe(best?.metric);
  expect(executed(trial)).toBe('');
  expect(trial.report.gate).toBeNull();
});

test('a cancelled run ends as cancelled, and the next one takes what was finished', async () => {
  const folder = await workshop();
  await writeFile(path.join(folder, 'customers.csv'), customers(1500));
  const stop = new AbortController();
  const run = runIn(folder, tablePipeline(), { signal: stop.signal, onSeries: () => stop.abort() });
  await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(executed(await runIn(folder, tablePipeline()))).toBe('train evaluate gate package');
});

test('members of an ensemble answer together as one graph', async () => {
  const folder = await workshop();
  await writeFile(path.join(folder, 'customers.csv'), customers(1500));
  const tree = { kind: 'trees', trees: 20, leaves: 7, rowShare: 0.6 };
  const { report, version } = await runIn(
    folder,
    tablePipeline({ train: { kind: 'ensemble', members: [tree, tree, { kind: 'linear' }] }, gate: { beatBaseline: false } }),
  );
  if (version === undefined) throw new Error(JSON.stringify(report.gate));
  expect(await passesGolden(version, 'fp32')).toBe(32);
  expect(version.files.filter(({ role }) => role === 'model').length).toBe(1);
  // Two members of the same settings are not the same model.
  const [first, second] = ['1 trees: train loss', '2 trees: train loss'].map((name) => report.series.find((one) => one.name === name)?.points);
  expect(first?.length).toBeGreaterThan(5);
  expect(first).not.toEqual(second);
});
