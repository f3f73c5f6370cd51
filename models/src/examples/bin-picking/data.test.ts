import { expect, test } from 'vitest';

import { designLight, frameBytes, frameWidth, learntLights } from '@serin/inference/bin-scene/parameters';
import { seededRandom } from '@serin/inference/random';
import type { Tensor } from '../../onnx/graph.ts';
import { binSource, channelGains, drawLight, renderBins, splitSamples, type BinSample } from './data.ts';
import { cellSize, gridWidth } from './network.ts';
import { heatNumbers } from './targets.ts';

const indices = Int32Array.of(0, 3, 7, 2);
const samplesUnder = (level: number, count: number, seed = 'samples'): BinSample[] => renderBins(seededRandom(seed), { ...designLight, level }, count);

const bytesOf = (tensor: Tensor | undefined): Uint8Array => (tensor as Tensor<'uint8'>).data;
const floatsOf = (tensor: Tensor | undefined): Float32Array => (tensor as Tensor<'float32'>).data;

test('a batch depends on its seed alone, and every pass renders other bins', async () => {
  const source = binSource({ rendered: 8, light: 'any' });
  const one = await source.fill(indices, seededRandom(1));
  expect(await binSource({ rendered: 8, light: 'any' }).fill(indices, seededRandom(1))).toEqual(one);
  expect((await source.fill(indices, seededRandom(2))).feeds).not.toEqual(one.feeds);
  expect(source.examples).toBe(8);
});

test('any light is one of those that shall be learnt', () => {
  const random = seededRandom(3);
  for (let draw = 0; draw < 200; draw += 1) {
    for (const [name, value] of Object.entries(drawLight(random, 'any'))) {
      const [low, high] = learntLights[name as keyof typeof learntLights];
      expect(value).toBeGreaterThanOrEqual(low);
      expect(value).toBeLessThanOrEqual(high);
    }
  }
  expect(drawLight(random, designLight)).toBe(designLight);
});

test('samples lie any way round, and their targets with them', async () => {
  const pixels = new Uint8Array(frameBytes);
  const dot = (x: number, y: number): Uint8Array =>
    pixels.fill(255, (Math.floor(y) * frameWidth + Math.floor(x)) * 3, (Math.floor(y) * frameWidth + Math.floor(x)) * 3 + 3);
  const bolt = { label: 3, x: 30.5, y: 50.5, angle: Math.atan2(9, 12), visible: 1 };
  // Its centre, and where it points: 15 pixels on.
  dot(bolt.x, bolt.y);
  dot(bolt.x + 12, bolt.y + 9);
  const source = binSource({ rendered: 0, light: designLight, samples: [{ pixels, parts: [bolt] }], sampleRepeats: 40 });
  const { feeds, targets } = await source.fill(
    Int32Array.from({ length: 40 }, (_, index) => index),
    seededRandom(1),
  );
  const poses = new Set<string>();
  for (let at = 0; at < 40; at += 1) {
    const frame = bytesOf(feeds['frame']).subarray(at * frameBytes, (at + 1) * frameBytes);
    const heat = floatsOf(targets['heat']).subarray(at * heatNumbers, (at + 1) * heatNumbers);
    const pose = floatsOf(targets['pose']).subarray(at * 4 * heatNumbers, (at + 1) * 4 * heatNumbers);
    const cell = heat.indexOf(1);
    const [shiftX = 0, shiftY = 0, cos = 0, sin = 0] = [0, 1, 2, 3].map((field) => pose[field * heatNumbers + cell]);
    const place = cell - 3 * gridWidth * gridWidth;
    const x = ((place % gridWidth) + 0.5 + shiftX) * cellSize;
    const y = (Math.floor(place / gridWidth) + 0.5 + shiftY) * cellSize;
    const shown = (px: number, py: number): number => frame[(Math.floor(py) * frameWidth + Math.floor(px)) * 3] ?? 0;
    expect(shown(x, y)).toBe(255);
    expect(shown(x + 15 * cos, y + 15 * sin)).toBe(255);
    poses.add(`${Math.round(x)} ${Math.round(y)}`);
  }
  expect(poses.size).toBe(8);
});

test('rendered frames come near the light of the samples', async () => {
  const samples = samplesUnder(0.4, 30);
  const gains = channelGains(samplesUnder(1, 30, 'others'), samples);
  for (const gain of gains) expect(gain).toBeCloseTo(0.4, 1);
  const mean = async (options: { gains?: readonly number[] }): Promise<number> => {
    const { feeds } = await binSource({ rendered: 40, light: designLight, ...options }).fill(
      Int32Array.from({ length: 40 }, (_, index) => index),
      seededRandom(5),
    );
    return bytesOf(feeds['frame']).reduce((sum, value) => sum + value, 0) / (40 * frameBytes);
  };
  expect((await mean({ gains })) / (await mean({}))).toBeLessThan(0.8);
});

test('a sample never moves between splits, and the newest truth of equal frames counts', async () => {
  const samples = samplesUnder(1, 40);
  const before = await splitSamples(samples, 0.3);
  const after = await splitSamples([...samplesUnder(1, 40, 'more'), ...samples], 0.3);
  expect(before.train.length + before.heldOut.length).toBe(40);
  expect(after.heldOut).toEqual(expect.arrayContaining(before.heldOut));
  expect(after.train).toEqual(expect.arrayContaining(before.train));
  const [sample] = samples as [BinSample];
  const { train, heldOut } = await splitSamples([sample, { ...sample, parts: [] }], 0.3);
  expect([...train, ...heldOut]).toEqual([{ ...sample, parts: [] }]);
});

test('malformed samples are refused with what is wrong', async () => {
  const [{ pixels, parts }] = samplesUnder(1, 1) as [BinSample];
  const [part] = parts;
  const wrong: [BinSample, RegExp][] = [
    [{ pixels: pixels.subarray(1), parts }, /49151 bytes/],
    [{ pixels, parts: [{ label: 4, x: 1, y: 1, angle: 0, visible: 1 }] }, /label 4/],
    [{ pixels, parts: [{ label: 1, x: 128, y: 1, angle: 0, visible: 1 }] }, /outside its frame/],
    [{ pixels, parts: [{ label: 1, x: Number.NaN, y: 1, angle: 0, visible: 1 }] }, /outside its frame/],
    [{ pixels, parts: [{ ...(part ?? { label: 0, x: 1, y: 1, visible: 1 }), angle: Number.NaN }] }, /not a number/],
  ];
  for (const [sample, message] of wrong) await expect(splitSamples([sample], 0.3)).rejects.toThrow(message);
});
