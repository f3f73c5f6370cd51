import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { openManifest } from '@serin/protocol/bundle/manifest';
import { fleetId, modelName } from '@serin/protocol/ids';
import { eq } from 'drizzle-orm';
import { blobFile, openDiskBlobs, type BlobStore } from './blobs/disk.ts';
import { createChanges } from './changes.ts';
import { createDemo, type Demo } from './demo.ts';
import { openKeys, type Keys } from './keys.ts';
import { publishVersion } from './models/publish.ts';
import { models } from './store/schema.ts';
import type { Store } from './store/store.ts';
import { openTestStore } from './store/testing.ts';
import { findVersion, manifestOf } from './views/models.ts';

const fleet = fleetId.parse('plant-1');
const model = modelName.parse('picker');
let store: Store;
let blobs: BlobStore;
let keys: Keys;
let demo: Demo;
let folder: string;
let started: { model: string; version: number }[];

beforeEach(async () => {
  const opened = await openTestStore();
  store = opened;
  folder = await mkdtemp(path.join(tmpdir(), 'serin-demo-'));
  onTestFinished(async () => {
    await opened.close();
    await rm(folder, { recursive: true, force: true });
  });
  const clock = () => Date.now();
  const changes = createChanges();
  const blobFolder = path.join(folder, 'blobs');
  blobs = await openDiskBlobs(blobFolder);
  keys = await openKeys({ dataDir: folder, fleet, hosts: [], clock });
  started = [];
  const publishing = { store, blobs, changes, clock, fleet, release: keys.release };
  const tensor = { name: 'x', dtype: 'float32' as const, shape: [-1] };
  await publishVersion(publishing, {
    model,
    files: [{ role: 'model', variant: 'u8s8', path: 'model.u8s8.onnx', bytes: new Uint8Array(1000).fill(7) }],
    task: 'tensor',
    labels: [],
    inputs: [tensor],
    outputs: [tensor],
    metrics: {},
    gate: null,
    origin: 'trained',
    createdBy: 'test',
  });
  await mkdir(path.join(folder, 'hall'));
  demo = createDemo({
    store,
    changes,
    clock,
    publishing,
    locateBlob: (digest) => blobFile(blobFolder, digest),
    sceneFile: path.join(folder, 'hall', 'scene.json'),
    startRollout: async (request) => {
      started.push(request);
      return 'rollout';
    },
  });
});

async function modelFileOf(version: number) {
  const row = await findVersion(store.db, model, version);
  if (row === undefined) throw new Error(`no version ${version}`);
  const file = manifestOf(row).files.find(({ role }) => role === 'model');
  return { document: row.document, blob: file?.sha256 ?? ('' as never) };
}

test('the light of the hall is a file that cameras read', async () => {
  await demo.setLight({ level: 0.5, warmth: 0.25 });
  expect(JSON.parse(await readFile(path.join(folder, 'hall', 'scene.json'), 'utf8'))).toEqual({ level: 0.5, warmth: 0.25 });
});

test('without a version in service there is nothing to harm', async () => {
  await expect(demo.publish('corrupted', 'ann')).rejects.toMatchObject({ code: 'CONFLICT' });
});

test('a corrupted version is rightly signed, its file is damaged, and the one in service stays whole', async () => {
  await store.db.update(models).set({ champion: 1 }).where(eq(models.name, model));
  expect(await demo.publish('corrupted', 'ann')).toBe('rollout');
  expect(started).toEqual([{ model, version: 2, strategy: 'canary' }]);
  const bad = await modelFileOf(2);
  await openManifest(bad.document, keys.keyset, { fleet, model, version: 2 });
  await expect(blobs.read(bad.blob)).rejects.toMatchObject({ code: 'BUNDLE_DIGEST_MISMATCH' });
  await blobs.read((await modelFileOf(1)).blob);
});

test('a wrongly signed version is whole, and no device may trust it', async () => {
  await store.db.update(models).set({ champion: 1 }).where(eq(models.name, model));
  await demo.publish('wrong-signature', 'ann');
  const bad = await modelFileOf(2);
  await blobs.read(bad.blob);
  await expect(openManifest(bad.document, keys.keyset, { fleet, model, version: 2 })).rejects.toMatchObject({ code: 'BUNDLE_SIGNATURE_INVALID' });
});
