import { expect, test } from 'vitest';

import { measureImage, type ImageStatistics } from '../image-statistics.ts';
import { seededRandom } from '../random.ts';
import * as parameters from './parameters.ts';
import { bin, designLight, frameBytes, frameChannels, frameHeight, frameWidth, partKinds, type Light } from './parameters.ts';
import { renderBin } from './render.ts';
import { shapes } from './shapes.ts';

test('the scene is the one that the published figures were measured with', async () => {
  // By name: a module's names have another order in a bundle.
  const named = Object.entries(parameters).toSorted(([left], [right]) => (left < right ? -1 : 1));
  const numbers = JSON.stringify(named, (_, value: unknown) => (value === Infinity ? 'Infinity' : value));
  const outlines = shapes.map(({ distance }) => [0, 4, 8, 12].flatMap((x) => [0, 3, 6, 9].map((y) => distance(x, y).toFixed(4))));
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`${numbers}${outlines.join()}`));
  // A change here means that all figures about this example have to be measured again.
  expect(Array.from(new Uint8Array(digest).subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('')).toBe('74c21799fcb20935');
});

const frames = (light: Light, count: number, seed = 5) => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => renderBin(random, light));
};

function meanStatistics(light: Light): ImageStatistics {
  const shape = { width: frameWidth, height: frameHeight, channels: frameChannels };
  const mean = { brightness: 0, contrast: 0, sharpness: 0 };
  const one = { ...mean };
  for (const { pixels } of frames(light, 30)) {
    measureImage(pixels, shape, one);
    mean.brightness += one.brightness / 30;
    mean.contrast += one.contrast / 30;
    mean.sharpness += one.sharpness / 30;
  }
  return mean;
}

test('a seed draws the same bin, into the given buffer or a new one, whatever was drawn before', () => {
  const out = new Uint8Array(frameBytes);
  const given = renderBin(seededRandom(9), designLight, out);
  expect(given.pixels).toBe(out);
  expect(renderBin(seededRandom(9), designLight)).toEqual(given);
});

test('a bin has 5 to 20 parts of every kind, all inside its walls and half visible or more', () => {
  const counts = partKinds.map(() => 0);
  let least = Infinity;
  let most = 0;
  let hidden = 0;
  for (const { parts } of frames(designLight, 300)) {
    least = Math.min(least, parts.length);
    most = Math.max(most, parts.length);
    for (const { label, x, y, visible } of parts) {
      counts[label] = (counts[label] ?? 0) + 1;
      expect(visible).toBeGreaterThanOrEqual(bin.visibleMin);
      expect(visible).toBeLessThanOrEqual(1);
      expect(Math.min(x, y, frameWidth - x, frameHeight - y)).toBeGreaterThan(bin.wall[0]);
      if (visible < 0.75) hidden += 1;
    }
  }
  expect(least).toBe(bin.partsMin);
  expect(most).toBe(bin.partsMax);
  const all = counts.reduce((sum, count) => sum + count, 0);
  for (const count of counts) expect(count / all).toBeGreaterThan(0.2);
  expect(hidden / all).toBeGreaterThan(0.1);
});

test('the last part to fall lies on top of all others', () => {
  for (const { parts } of frames(designLight, 20)) expect(parts.at(-1)?.visible).toBe(1);
});

test('every shape fills the box it is said to have, and looks the same after a turn of its symmetry', () => {
  shapes.forEach(({ distance }, label) => {
    const { length, width, symmetry } = partKinds[label] as (typeof partKinds)[number];
    const turn = symmetry === Infinity ? 1 : (2 * Math.PI) / symmetry;
    let [reachX, reachY, back, differs] = [0, 0, 0, 0];
    for (let x = -16; x <= 16; x += 0.1) {
      for (let y = -16; y <= 16; y += 0.1) {
        const inside = distance(x, y);
        const turned = distance(x * Math.cos(turn) - y * Math.sin(turn), x * Math.sin(turn) + y * Math.cos(turn));
        differs = Math.max(differs, Math.abs(distance(x, -y) - inside), Math.abs(turned - inside));
        if (inside >= 0) continue;
        reachX = Math.max(reachX, x);
        reachY = Math.max(reachY, Math.abs(y));
        back = Math.max(back, -x);
      }
    }
    expect(differs).toBeLessThan(1e-6);
    expect(Math.abs(reachX - length / 2)).toBeLessThan(0.25);
    expect(Math.abs(back - length / 2)).toBeLessThan(0.25);
    expect(Math.abs(reachY - width / 2)).toBeLessThan(0.25);
  });
});

test('less light is darker, warmer light is redder', () => {
  const design = meanStatistics(designLight);
  expect(meanStatistics({ ...designLight, level: 0.45 }).brightness / design.brightness).toBeCloseTo(0.45, 1);
  const redShare = (light: Light): number => {
    const sums = [0, 0, 0];
    for (const { pixels } of frames(light, 4)) pixels.forEach((value, at) => (sums[at % 3] = (sums[at % 3] ?? 0) + value));
    return (sums[0] ?? 0) / (sums[2] ?? 1);
  };
  expect(redShare({ ...designLight, warmth: 0.6 })).toBeGreaterThan(1.4 * redShare(designLight));
});

test('the sensor noise has the deviation it is given', () => {
  const [plain] = frames({ ...designLight, noise: 0 }, 1);
  const [noisy] = frames({ ...designLight, noise: 6 }, 1);
  let squares = 0;
  plain?.pixels.forEach((value, at) => (squares += ((noisy?.pixels[at] ?? 0) - value) ** 2));
  expect(Math.sqrt(squares / frameBytes)).toBeCloseTo(6, 0);
});

test('glare saturates instead of wrapping around', () => {
  expect(meanStatistics({ ...designLight, level: 6 }).brightness).toBeGreaterThan(240);
});
