import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';
import { designLight, sceneLabels, type Light } from '@serin/inference/scene';
import { golden as goldenSchema } from '@serin/protocol/bundle/golden';
import { profile as profileSchema } from '@serin/protocol/bundle/profile';
import { fromBase64 } from '@serin/protocol/digest';

import { frameAt, packFrames, renderFrames, splitFrames, type LabelledFrame } from '../../data/frames.ts';
import { evaluate, type Evaluation } from '../../evaluate/metrics.ts';
import { openSession, runtimeTensor } from '../../onnx/session.ts';
import type { TrainedVersion } from '../../package/version.ts';
import { predict } from './predict.ts';
import { spoilVersion } from '../../package/spoiled.ts';
import { trainBinCamera, type TrainingProgress, type TrainingRequest } from './train.ts';

const eveningLight: Light = { level: 0.45, warmth: 0.6, noise: 3 };
const request: TrainingRequest = { seed: 7, baseFrames: 2560, epochs: 5, light: designLight, framesPerWindow: 200 };

const fileOf = (version: TrainedVersion, path: string): Uint8Array => {
  const file = version.files.find((one) => one.path === path);
  if (file === undefined) throw new Error(`no ${path}`);
  return file.bytes;
};
const jsonOf = (version: TrainedVersion, path: string): unknown => JSON.parse(new TextDecoder().decode(fileOf(version, path)));

async function judge(version: TrainedVersion, light: Light): Promise<Evaluation> {
  const session = await openSession(fileOf(version, 'model.u8s8.onnx'));
  const set = renderFrames(seededRandom('judge'), light, 800);
  const result = evaluate(await predict(session, set), set.labels, sceneLabels.length);
  await session.release();
  return result;
}

function samplesUnder(light: Light, count: number, seed = 'samples'): LabelledFrame[] {
  const set = renderFrames(seededRandom(seed), light, count);
  return Array.from({ length: count }, (_, index) => ({ pixels: frameAt(set, index), label: set.labels[index] ?? 0 }));
}

async function expectGoldenHolds(version: TrainedVersion): Promise<void> {
  for (const variant of ['u8s8', 'fp32']) {
    const golden = goldenSchema.parse(jsonOf(version, `golden.${variant}.json`));
    const session = await openSession(fileOf(version, `model.${variant}.onnx`));
    expect(golden.vectors.length).toBe(8);
    for (const { inputs, outputs } of golden.vectors) {
      const { data, shape } = inputs['frame'] ?? { data: '', shape: [] };
      const results = await session.run({ frame: runtimeTensor('uint8', fromBase64(data), shape) });
      const found = results['probabilities']?.data as Float32Array;
      outputs['probabilities']?.forEach((value, index) => expect(Math.abs(value - (found[index] ?? 9))).toBeLessThanOrEqual(golden.tolerance));
    }
    await session.release();
  }
}

test('a version trained for the design light fails in the evening and recovers by retraining; a spoiled one is useless', async () => {
  const stages: TrainingProgress[] = [];
  const first = await trainBinCamera(request, { onProgress: (progress) => stages.push(progress) });
  expect(first.gate.passed).toBe(true);
  expect(first.labels).toEqual([...sceneLabels]);
  expect(first.parameters).toBeGreaterThan(30_000);
  expect([...new Set(stages.map(({ stage }) => stage))]).toEqual(['data', 'train', 'quantise', 'evaluate', 'package']);
  expect(stages.map(({ fraction }) => fraction)).toEqual(stages.map(({ fraction }) => fraction).toSorted((a, b) => a - b));
  await expectGoldenHolds(first);

  const profile = profileSchema.parse(jsonOf(first, 'profile.json'));
  expect(profile.statistics.map(({ name }) => name)).toEqual(['brightness', 'contrast', 'sharpness', 'confidence']);
  for (const { nullPsi, edges } of profile.statistics) {
    expect(nullPsi.length).toBe(400);
    expect(edges.length).toBe(33);
  }

  expect((await judge(first, designLight)).accuracy).toBeGreaterThanOrEqual(0.97);
  expect((await judge(first, eveningLight)).accuracy).toBeLessThan(0.8);

  const second = await trainBinCamera({ ...request, seed: 8, samples: samplesUnder(eveningLight, 240), champion: fileOf(first, 'model.u8s8.onnx') });
  expect(second.gate.passed).toBe(true);
  expect(second.gate.checks.map(({ name }) => name)).toContain('against_champion');
  expect(second.metrics['championDifference']).toBeGreaterThan(0.1);
  expect((await judge(second, eveningLight)).accuracy).toBeGreaterThanOrEqual(0.95);
  expect((await judge(second, designLight)).accuracy).toBeGreaterThanOrEqual(0.95);
  const brightness = profileSchema.parse(jsonOf(second, 'profile.json')).statistics[0];
  expect(brightness?.mean).toBeLessThan(60);

  const spoiled = await spoilVersion(first);
  await expectGoldenHolds(spoiled);
  expect((await judge(spoiled, designLight)).accuracy).toBeLessThan(0.5);
  expect(fileOf(spoiled, 'profile.json')).toEqual(fileOf(first, 'profile.json'));
}, 120_000);

test('the same seed gives the same files', async () => {
  const small = { ...request, baseFrames: 640, epochs: 1 };
  const [one, two] = [await trainBinCamera(small), await trainBinCamera(small)];
  expect(two.weightDigest).toBe(one.weightDigest);
  expect(two.files).toEqual(one.files);
  expect((await trainBinCamera({ ...small, seed: 8 })).weightDigest).not.toBe(one.weightDigest);
}, 60_000);

test('a cancelled training stops', async () => {
  const cancel = new AbortController();
  const onProgress = ({ stage }: TrainingProgress): void => {
    if (stage === 'train') cancel.abort();
  };
  await expect(trainBinCamera(request, { signal: cancel.signal, onProgress })).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('too few or malformed samples are refused', async () => {
  await expect(trainBinCamera({ ...request, samples: samplesUnder(designLight, 12) })).rejects.toMatchObject({ code: 'TRAINING_DATA_INSUFFICIENT' });
  await expect(trainBinCamera({ ...request, samples: [{ pixels: new Uint8Array(3), label: 0 }] })).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  const [sample] = samplesUnder(designLight, 1);
  await expect(trainBinCamera({ ...request, samples: [{ pixels: sample?.pixels ?? new Uint8Array(), label: 5 }] })).rejects.toMatchObject({
    code: 'BAD_REQUEST',
  });
});

test('an example never moves between splits, and the newest label of equal frames counts', async () => {
  const frames = samplesUnder(designLight, 60);
  const before = await splitFrames(frames, 0.3);
  const more = [...samplesUnder(designLight, 60, 'more'), ...frames];
  const after = await splitFrames(more, 0.3);
  const keys = (set: typeof before.train): string[] => Array.from({ length: set.count }, (_, index) => frameAt(set, index).join());
  expect(keys(after.heldOut)).toEqual(expect.arrayContaining(keys(before.heldOut)));
  expect(keys(after.train)).toEqual(expect.arrayContaining(keys(before.train)));

  const [frame] = frames;
  if (frame === undefined) throw new Error('no frame');
  const { train, heldOut } = await splitFrames([frame, { ...frame, label: (frame.label + 1) % 5 }], 0.3);
  expect([...train.labels, ...heldOut.labels]).toEqual([(frame.label + 1) % 5]);
  expect(packFrames(frames).count).toBe(60);
});
