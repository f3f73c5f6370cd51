import { expect, test } from 'vitest';

import { measureImage, type ImageStatistics } from './image-statistics.ts';
import { seededRandom } from './random.ts';
import { designLight, frameBytes, frameChannels, frameHeight, frameWidth, renderFrame, sceneLabels, type Light } from './scene.ts';

const shape = { width: frameWidth, height: frameHeight, channels: frameChannels };

function meanStatistics(light: Light, label?: number): ImageStatistics {
  const random = seededRandom(5);
  const mean = { brightness: 0, contrast: 0, sharpness: 0 };
  const one = { ...mean };
  for (let index = 0; index < 200; index += 1) {
    measureImage(renderFrame(random, light, undefined, label).pixels, shape, one);
    mean.brightness += one.brightness / 200;
    mean.contrast += one.contrast / 200;
    mean.sharpness += one.sharpness / 200;
  }
  return mean;
}

test('a seed draws the same frame, into the given buffer or a new one', () => {
  const out = new Uint8Array(frameBytes);
  const given = renderFrame(seededRandom(9), designLight, out);
  const fresh = renderFrame(seededRandom(9), designLight);
  expect(given.pixels).toBe(out);
  expect(fresh).toEqual(given);
});

test('every class appears about equally often', () => {
  const random = seededRandom(1);
  const counts = sceneLabels.map(() => 0);
  for (let index = 0; index < 1000; index += 1) {
    const { label } = renderFrame(random, designLight);
    counts[label] = (counts[label] ?? 0) + 1;
  }
  for (const count of counts) expect(count).toBeGreaterThan(140);
});

test('a part stands out from the floor', () => {
  const empty = meanStatistics(designLight, 0);
  for (const label of [1, 2, 3, 4]) expect(meanStatistics(designLight, label).contrast).toBeGreaterThan(empty.contrast * 1.3);
});

test('less light is darker, warmer light is redder', () => {
  const dim = { ...designLight, level: 0.45 };
  expect(meanStatistics(dim).brightness / meanStatistics(designLight).brightness).toBeCloseTo(0.45, 1);
  const redShare = (light: Light): number => {
    const { pixels } = renderFrame(seededRandom(2), light);
    let red = 0;
    let blue = 0;
    for (let at = 0; at < frameBytes; at += 3) {
      red += pixels[at] ?? 0;
      blue += pixels[at + 2] ?? 0;
    }
    return red / blue;
  };
  expect(redShare({ ...designLight, warmth: 0.6 })).toBeGreaterThan(1.4 * redShare(designLight));
});

test('glare saturates instead of wrapping around', () => {
  expect(meanStatistics({ ...designLight, level: 6 }).brightness).toBeGreaterThan(245);
});
