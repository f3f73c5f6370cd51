import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { FrameSource } from '@serin/device/ports';
import { seededRandom } from '@serin/inference/random';
import { frameBytes } from '@serin/inference/bin-scene/parameters';
import { systemClock } from '../clock.ts';
import { emptyFolder } from '../testing/folder.ts';
import { recordLog } from '../testing/log.ts';
import { openBinCamera } from './bin-camera.ts';

const brightnessOf = async (camera: FrameSource): Promise<number> => {
  const frame = await camera.next(new AbortController().signal);
  return (frame?.pixels.reduce((sum, pixel) => sum + pixel, 0) ?? 0) / (frame?.pixels.length ?? 1);
};

function openCamera(sceneFile: string | undefined): { camera: FrameSource; lines: ReturnType<typeof recordLog>['lines'] } {
  const { log, lines } = recordLog();
  const camera = openBinCamera({ fps: 200, sceneFile, clock: systemClock, random: seededRandom('camera'), log });
  onTestFinished(() => camera.close());
  return { camera, lines };
}

test('frames say what is on them, and that a rendering said so', async () => {
  const { camera } = openCamera(undefined);
  const frame = await camera.next(new AbortController().signal);
  expect(frame?.pixels).toHaveLength(frameBytes);
  expect(frame?.truth?.origin).toBe('simulated-annotator');
  expect(camera.synthetic).toBe(true);
});

test('the light follows its file while the camera runs; a file that is wrong or gone changes nothing and is said once', async () => {
  const file = path.join(await emptyFolder(), 'scene.json');
  await writeFile(file, JSON.stringify({ level: 1, warmth: 0 }));
  const { camera, lines } = openCamera(file);
  const usual = await brightnessOf(camera);
  await writeFile(file, JSON.stringify({ level: 0.2, warmth: 0.5 }));
  await expect.poll(() => brightnessOf(camera), { timeout: 10_000, interval: 1 }).toBeLessThan(usual / 2);
  await writeFile(file, JSON.stringify({ level: 'bright' }));
  await expect.poll(() => lines.length, { timeout: 10_000 }).toBe(1);
  expect(await brightnessOf(camera)).toBeLessThan(usual / 2);
  await writeFile(file, JSON.stringify({ level: 1, warmth: 0 }));
  await expect.poll(() => brightnessOf(camera), { timeout: 10_000, interval: 1 }).toBeGreaterThan(usual / 2);
  expect(lines).toHaveLength(1);
});
