import { expect, onTestFinished, test } from 'vitest';
import { sample } from '@serin/protocol/api/resources';
import { addVersions } from '../desired/testing.ts';
import { samples } from '../store/schema.ts';
import { openTestStore } from '../store/testing.ts';
import { listSamples } from './models.ts';

const frame = { device: 'cam-1', boot: 'b', model: 'picker', version: 1, takenAt: 1, height: 128, width: 128, channels: 3, pixels: new Uint8Array(3) };
const bolt = { label: 1, x: 40, y: 50, angle: 1 };

test('samples name what was seen and what is there, and say whether that is right', async () => {
  const store = await openTestStore();
  onTestFinished(() => store.close());
  const manifest = {
    v: 1,
    fleet: 'hall',
    model: 'picker',
    version: 1,
    createdAt: 1,
    minAgent: '0.1.0',
    task: 'detection',
    metrics: {},
    inputs: [{ name: 'frame', dtype: 'uint8', shape: [-1, 128, 128, 3] }],
    outputs: [{ name: 'detections', dtype: 'float32', shape: [-1, 8, 5] }],
    labels: ['nut', 'bolt'],
    files: [{ role: 'model', path: 'm', size: 1, sha256: 'a'.repeat(64), chunkSize: 1024, chunkRoot: 'a'.repeat(64) }],
  };
  await addVersions(store.db, 'picker', [1], 1, { document: { kind: 'manifest', payload: JSON.stringify(manifest), signatures: [] } });
  const seen = { objects: [{ ...bolt, score: 0.9 }] };
  await store.db.insert(samples).values([
    { ...frame, seq: 1, predicted: seen, truth: { objects: [{ ...bolt, visible: 0.9 }], origin: 'person' } },
    { ...frame, seq: 2, predicted: seen, truth: { objects: [{ ...bolt, x: 90 }], origin: 'person' } },
    { ...frame, seq: 3, predicted: { label: 0, confidence: 0.5 }, truth: { label: 7, origin: 'importer' } },
    { ...frame, seq: 4, predicted: seen },
  ]);
  const shown = (await listSamples(store.db, { limit: 10 })).toReversed();
  expect(shown.every((one) => sample.safeParse(one).success)).toBe(true);
  expect(shown).toMatchObject([
    {
      width: 128,
      height: 128,
      predicted: { objects: [{ label: 'bolt', x: 40, score: 0.9 }] },
      truth: { objects: [{ label: 'bolt', visible: 0.9 }], origin: 'person' },
      right: true,
    },
    { truth: { objects: [{ x: 90 }] }, right: false },
    { predicted: { label: 'nut', confidence: 0.5 }, truth: { label: 'class 7' }, right: false },
    { truth: null, right: null },
  ]);
});
