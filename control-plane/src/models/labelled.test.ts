import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { frameBytes } from '@serin/inference/bin-scene/parameters';
import type { Truth } from '@serin/protocol/messages/telemetry';
import { readSamples, writeSamples } from '../jobs/folder.ts';
import { samples } from '../store/schema.ts';
import { openTestStore } from '../store/testing.ts';
import { labelledSamples } from './labelled.ts';

const bolt = { label: 3, x: 40.25, y: 50, angle: -1 };
const frame = { device: 'cam-1', boot: 'b', model: 'picker', version: 1, takenAt: 100, height: 128, width: 128, channels: 3 };
const predicted = { objects: [] };
const pixelsOf = (seq: number) => new Uint8Array(frameBytes).fill(seq);
const objects = (...parts: (typeof bolt & { visible?: number })[]): Truth => ({ objects: parts, origin: 'person' });

test('labelled frames of the bin camera reach the job that learns from them, oldest first, with what lies in them', async () => {
  const store = await openTestStore();
  onTestFinished(() => store.close());
  const folder = await mkdtemp(path.join(tmpdir(), 'serin-samples-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const many = Array.from({ length: 70 }, (_, index) => ({ ...frame, seq: 10 + index, predicted, truth: objects(), pixels: pixelsOf(10 + index) }));
  await store.db
    .insert(samples)
    .values([
      { ...frame, seq: 1, predicted, truth: objects({ ...bolt, visible: 0.5 }, bolt), pixels: pixelsOf(1) },
      { ...frame, seq: 2, predicted, pixels: pixelsOf(2) },
      { ...frame, seq: 3, predicted, truth: { label: 1, origin: 'person' }, pixels: pixelsOf(3) },
      { ...frame, seq: 4, predicted, truth: objects(), takenAt: 99, pixels: pixelsOf(4) },
      { ...frame, seq: 5, predicted, truth: objects(), height: 32, pixels: pixelsOf(5) },
      { ...frame, seq: 6, predicted, truth: objects(), model: 'other', pixels: pixelsOf(6) },
      { ...frame, seq: 7, predicted, truth: objects({ ...bolt, x: 128 }), pixels: pixelsOf(7) },
      { ...frame, seq: 8, predicted, truth: objects({ ...bolt, label: 4 }), pixels: pixelsOf(8) },
      { ...frame, seq: 9, predicted, truth: objects(), pixels: new Uint8Array(3) },
      ...many,
    ]);
  expect(await readSamples(folder, frameBytes)).toBeUndefined();
  expect(await writeSamples(folder, labelledSamples(store.db, 'picker', 100))).toBe(71);
  const read = await readSamples(folder, frameBytes);
  expect(read?.map(({ pixels }) => pixels[frameBytes - 1])).toEqual([1, ...many.map(({ seq }) => seq)]);
  expect(read?.[0]?.parts).toEqual([
    { ...bolt, visible: 0.5 },
    { ...bolt, visible: 1 },
  ]);
  await expect(readSamples(folder, frameBytes + 1)).rejects.toMatchObject({ code: 'JOB_FAILED' });
});
