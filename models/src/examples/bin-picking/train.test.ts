import { beforeAll, expect, test } from 'vitest';

import { designLight, partKinds, type Light } from '@serin/inference/bin-scene/parameters';
import { seededRandom } from '@serin/inference/random';
import { golden as goldenSchema } from '@serin/protocol/bundle/golden';
import type { Variant } from '@serin/protocol/bundle/manifest';
import { profile as profileSchema } from '@serin/protocol/bundle/profile';
import { report as reportSchema, reportPath } from '@serin/protocol/bundle/report';
import { fromBase64 } from '@serin/protocol/digest';

import type { DetectionEvaluation } from '../../evaluate/detection.ts';
import { openSession, runtimeTensor } from '../../onnx/session.ts';
import type { TrainedVersion } from '../../package/version.ts';
import { renderReport } from '../../report/html.ts';
import { learningWeights } from '../../train/layers.ts';
import { weightDigest } from '../../train/weights.ts';
import { renderBins, type BinSample } from './data.ts';
import { learn } from './learn.ts';
import { createNetwork } from './network.ts';
import { judgeModel } from './predict.ts';
import { startFrom } from './start.ts';
import { openStarter, packStarter, readStarter } from './starter.ts';
import { trainBinPicking, type BinPickingRequest, type TrainingProgress } from './train.ts';

/** Dark and orange: what the demo fleet's hall turns to. */
const eveningLight: Light = { level: 0.3, warmth: 0.8, noise: 3 };
const counts = { heldOut: 90, unseen: 48, reference: 90, disturbed: 1, queries: 40 };
const request: BinPickingRequest = { seed: 7, baseFrames: 48, epochs: 1, light: designLight, framesPerWindow: 20, start: 'starter', counts };
const trainFirst = () => trainBinPicking(request, { onProgress: (progress) => stages.push(progress) });
const stages: TrainingProgress[] = [];
let first: TrainedVersion;

beforeAll(async () => {
  first = await trainFirst();
}, 120_000);

const fileOf = (version: TrainedVersion, path: string): Uint8Array => {
  const file = version.files.find((one) => one.path === path);
  if (file === undefined) throw new Error(`no ${path}`);
  return file.bytes;
};
const jsonOf = (version: TrainedVersion, path: string): unknown => JSON.parse(new TextDecoder().decode(fileOf(version, path)));
const variantsOf = ({ files }: TrainedVersion): Variant[] => files.flatMap(({ role, variant }) => (role === 'model' && variant !== undefined ? [variant] : []));

async function judge(version: TrainedVersion, light: Light): Promise<DetectionEvaluation> {
  // What most devices take.
  const session = await openSession(fileOf(version, `model.${variantsOf(version)[0]}.onnx`));
  const result = await judgeModel(session, renderBins(seededRandom('judge'), light, 80));
  await session.release();
  return result;
}

const samplesUnder = (light: Light, count: number): BinSample[] => renderBins(seededRandom('samples'), light, count);

async function expectGoldenHolds(version: TrainedVersion): Promise<void> {
  for (const variant of variantsOf(version)) {
    const golden = goldenSchema.parse(jsonOf(version, `golden.${variant}.json`));
    const session = await openSession(fileOf(version, `model.${variant}.onnx`));
    expect(golden.vectors.length).toBeGreaterThan(2);
    let parts = 0;
    for (const { inputs, outputs } of golden.vectors) {
      const { data, shape } = inputs['frame'] ?? { data: '', shape: [] };
      const results = await session.run({ frame: runtimeTensor('uint8', fromBase64(data), shape) });
      const found = results['detections']?.data as Float32Array;
      const worst = outputs['detections']?.reduce((most, value, index) => Math.max(most, Math.abs(value - (found[index] ?? 9))), 0);
      expect(worst).toBeLessThanOrEqual(golden.tolerance);
      parts += found.filter((value, index) => index % 5 === 4 && value > 0.3).length;
    }
    expect(parts).toBeGreaterThan(2);
    await session.release();
  }
}

test('a version begun at the starter passes its gate, and carries what devices and people need', async () => {
  expect(first.gate.passed).toBe(true);
  expect(first).toMatchObject({ task: 'detection', labels: partKinds.map(({ label }) => label) });
  expect([...new Set(stages.map(({ stage }) => stage))]).toEqual(['data', 'train', 'quantise', 'evaluate', 'package']);
  expect(stages.map(({ fraction }) => fraction)).toEqual(stages.map(({ fraction }) => fraction).toSorted((a, b) => a - b));
  expect(Math.abs((first.metrics['map50'] ?? 0) - (first.metrics['map50Fp32'] ?? 1))).toBeLessThan(0.01);
  expect(variantsOf(first).at(-1)).toBe('fp32');
  await expectGoldenHolds(first);
  const profile = profileSchema.parse(jsonOf(first, 'profile.json'));
  expect(profile.statistics.map(({ name }) => name)).toEqual(['brightness', 'contrast', 'sharpness', 'confidence']);
  // Every object that was seen, and how often it was what it was taken for.
  const seen = profile.classConfidence?.reduce((sum, count) => sum + count, 0) ?? 0;
  expect(seen).toBeGreaterThan(1000);
  expect(profile.calibration?.bins.reduce((sum, { count }) => sum + count, 0)).toBe(seen);
  expect(profile.calibration?.bins.at(-1)?.right).toBeGreaterThan(0.95);
  // Peaks are surer than their warmth says.
  expect(profile.calibration?.temperature).toBeLessThan(0.6);
  expect(profile.calibration?.ece).toBeLessThan(0.06);
});

test('its report says what was measured of every variant, what became of it, and on what', () => {
  const report = reportSchema.parse(jsonOf(first, reportPath));
  expect(report).toMatchObject({ task: 'detection', gate: first.gate, training: { seed: 7, weightDigest: first.weightDigest } });
  expect(report.variants.map(({ variant }) => variant)).toEqual(['fp32', 'u8s8', 'u8u8']);
  for (const { variant, ships, latency, recovery, words } of report.variants) {
    expect(ships).toBe(variantsOf(first).includes(variant));
    expect(latency?.p50Ms).toBeGreaterThan(0);
    expect(words.length).toBeGreaterThan(5);
    if (variant !== 'fp32') expect(recovery?.[0]?.step).toBe('plain');
  }
  const { performance, robustness, data } = report;
  expect(performance?.examples).toBe(counts.heldOut);
  expect(performance?.metrics.find(({ name }) => name === 'map50')?.value).toBe(first.metrics['map50']);
  expect(new Set(performance?.slices?.map(({ column }) => column))).toEqual(new Set(['parts', 'light', 'class']));
  expect(performance?.calibration?.error).toBeLessThan(0.06);
  expect(robustness?.count).toBe(counts.disturbed);
  expect(data?.origin).toMatch(/synthetic/);
  expect(renderReport(report)).toContain('</html>');
});

test('it works in the design light, fails in the evening, and recovers by retraining on a few frames', async () => {
  expect((await judge(first, designLight)).rightShare).toBeGreaterThanOrEqual(0.93);
  expect((await judge(first, eveningLight)).rightShare).toBeLessThan(0.7);

  const champion = fileOf(first, `model.${variantsOf(first)[0]}.onnx`);
  const retraining = { ...request, seed: 8, baseFrames: 240, samples: samplesUnder(eveningLight, 120), champion, start: champion };
  const second = await trainBinPicking(retraining);
  expect(second.gate.checks.map(({ name }) => name)).toContain('against_champion');
  expect(second.gate.passed).toBe(true);
  expect(second.weightDigest).not.toBe(first.weightDigest);
  expect(second.metrics['championDifference']).toBeGreaterThan(0.2);
  expect((await judge(second, eveningLight)).rightShare).toBeGreaterThanOrEqual(0.9);
  expect((await judge(second, designLight)).rightShare).toBeGreaterThanOrEqual(0.9);
  expect(profileSchema.parse(jsonOf(second, 'profile.json')).statistics[0]?.mean).toBeLessThan(50);
  const { performance } = reportSchema.parse(jsonOf(second, reportPath));
  expect(performance?.serving).toMatchObject({ metric: 'map50', losses: expect.any(Number) });
  expect(performance?.serving?.gain?.low).toBeGreaterThan(0);
}, 300_000);

test('the same seed gives the same files, but for the report, which tells what time they took', async () => {
  const again = await trainFirst();
  const lasting = ({ files }: TrainedVersion) => files.filter(({ role }) => role !== 'report');
  expect(again.weightDigest).toBe(first.weightDigest);
  expect(lasting(again)).toEqual(lasting(first));
}, 120_000);

test('one thread and two give the same weights', async () => {
  const train = (threads: number) => learn({ model: createNetwork(3), fresh: true, data: { rendered: 40, light: designLight }, epochs: 1, seed: 3, threads });
  expect(await weightDigest(await train(2))).toBe(await weightDigest(await train(1)));
}, 60_000);

test('a cancelled training stops', async () => {
  const cancel = new AbortController();
  const onProgress = ({ stage }: TrainingProgress): void => {
    if (stage === 'train') cancel.abort();
  };
  await expect(trainBinPicking(request, { signal: cancel.signal, onProgress })).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('too few samples, and weights of another network, are refused', async () => {
  await expect(trainBinPicking({ ...request, samples: samplesUnder(designLight, 12) })).rejects.toMatchObject({ code: 'TRAINING_DATA_INSUFFICIENT' });
  const network = createNetwork(1);
  const { graph } = await openStarter();
  const initialisers = new Map([...graph.initialisers].filter(([name]) => name !== 'conv3.weight.int8'));
  expect(() => startFrom(network, { ...network, graph: { ...graph, initialisers } })).toThrow(/no numbers in conv3.weight, the network 9216/);
});

test('a starter holds every weight within half of its step', () => {
  const network = createNetwork(5);
  const bytes = packStarter(network);
  expect(bytes.length).toBeLessThan(150_000);
  const read = startFrom(createNetwork(6), readStarter(bytes));
  for (const name of learningWeights(network)) {
    const [wanted, found] = [network, read].map((model) => model.graph.initialisers.get(name)?.data as Float32Array);
    const largest = wanted?.reduce((most, value) => Math.max(most, Math.abs(value)), 0) ?? 0;
    const off = wanted?.reduce((most, value, index) => Math.max(most, Math.abs(value - (found?.[index] ?? 9))), 0);
    expect(off).toBeLessThanOrEqual(largest / 30 + 1e-6);
  }
  expect(() => readStarter(bytes.subarray(10))).toThrow(/starter/);
});
