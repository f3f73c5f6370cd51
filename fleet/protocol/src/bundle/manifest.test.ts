import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { fleetId, modelName, versionNumber } from '../ids.ts';
import { chunkBytes } from '../limits.ts';
import { sha256 } from '../digest.ts';
import { chunkCount, chunkRoot } from './chunks.ts';
import type { Keyset } from './keyset.ts';
import { blobsOf, bundleSizeBytes, choiceOf, describePart, manifest, openManifest, variant, type BundleFile, type Manifest } from './manifest.ts';
import { createKeyPair, importSigningKey, signDocument, type SigningKey } from './signing.ts';

const fleet = fleetId.parse('hall');
const expected = { fleet, model: 'picker', version: 3 };
let release: SigningKey;
let keys: Keyset;
let file: BundleFile;
let bundle: Manifest;

beforeAll(async () => {
  release = await importSigningKey(await createKeyPair());
  const role = { keys: [{ id: release.id, publicKey: release.publicKey }], threshold: 1 };
  keys = { v: 1, fleet, version: versionNumber.parse(1), expires: 4_000_000_000_000, roles: { root: role, release: role, director: role } };
  ({ file } = await describePart({ role: 'model', variant: 'fp32', path: 'model.onnx', bytes: new Uint8Array(100) }));
  bundle = {
    v: 1,
    fleet,
    model: modelName.parse('picker'),
    version: versionNumber.parse(3),
    createdAt: 1,
    minAgent: '0.1.0',
    task: 'image-classification',
    inputs: [{ name: 'frames', dtype: 'uint8', shape: [-1, 32, 32, 3] }],
    outputs: [{ name: 'probabilities', dtype: 'float32', shape: [-1, 5] }],
    labels: ['empty'],
    files: [file],
    metrics: { accuracy: 0.9 },
  };
});

describe('a signed manifest', () => {
  test('opens for the order it answers', async () => {
    expect(await openManifest(await signDocument('manifest', bundle, [release]), keys, expected)).toEqual(bundle);
  });

  test('signed by another key is refused', async () => {
    const other = await importSigningKey(await createKeyPair());
    await expect(openManifest(await signDocument('manifest', bundle, [other]), keys, expected)).rejects.toMatchObject({ code: 'BUNDLE_SIGNATURE_INVALID' });
  });

  test.each([
    ['fleet', { fleet: fleetId.parse('other') }],
    ['model', { model: 'other' }],
    ['version', { version: 4 }],
  ])('for another %s is refused', async (_, change) => {
    await expect(openManifest(await signDocument('manifest', bundle, [release]), keys, { ...expected, ...change })).rejects.toMatchObject({
      code: 'BUNDLE_WRONG_FLEET',
    });
  });

  test.each([
    ['a path that climbs out', { path: '../model.onnx' }],
    ['an absolute path', { path: '/etc/passwd' }],
    ['a hidden file', { path: '.ssh' }],
    ['an empty file', { size: 0 }],
    ['a chunk size of zero', { chunkSize: 0 }],
    ['a digest in capitals', { sha256: 'A'.repeat(64) }],
  ])('with %s is refused, though signed', async (_, change) => {
    const content = { ...bundle, files: [{ ...file, ...change }] };
    await expect(openManifest(await signDocument('manifest', content, [release]), keys, expected)).rejects.toMatchObject({ code: 'BUNDLE_MANIFEST_INVALID' });
  });
});

describe('the parts of a bundle', () => {
  test('are described by digest, length and chunk list', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3 * chunkBytes }), fc.nat(255), async (size, byte) => {
        const bytes = new Uint8Array(size).fill(byte);
        const { file: described, chunks } = await describePart({ role: 'golden', path: 'golden.json', bytes });
        expect(described).toEqual({
          role: 'golden',
          path: 'golden.json',
          size,
          sha256: await sha256(bytes),
          chunkSize: chunkBytes,
          chunkRoot: await chunkRoot(chunks),
        });
        expect(chunks.length).toBe(32 * chunkCount(size, chunkBytes));
      }),
      { numRuns: 10 },
    );
  });

  test('size and blobs cover every file and its chunk list', () => {
    const two = { ...bundle, files: [file, { ...file, path: 'b', size: 7 }] };
    expect(bundleSizeBytes(two)).toBe(107);
    expect(blobsOf(two)).toEqual([file.sha256, file.chunkRoot, file.sha256, file.chunkRoot]);
  });
});

describe('the files of a variant', () => {
  const withFiles = (...files: Partial<BundleFile>[]): Manifest => ({
    ...bundle,
    files: files.map((change) => ({ ...file, variant: undefined, ...change }) as BundleFile),
  });

  test('are its own golden vectors before those of all', () => {
    const made = withFiles(
      { role: 'model', variant: 'fp32', path: 'a' },
      { role: 'model', variant: 'u8s8', path: 'b' },
      { role: 'golden', path: 'c' },
      { role: 'golden', variant: 'u8s8', path: 'd' },
      { role: 'profile', path: 'e' },
    );
    const chosen = choiceOf(made, 'u8s8');
    expect([chosen?.variant, chosen?.model.path, chosen?.golden?.path, chosen?.profile?.path]).toEqual(['u8s8', 'b', 'd', 'e']);
    expect(choiceOf(made, 'fp32')?.golden?.path).toBe('c');
    expect(choiceOf(made, 'w4')).toBeUndefined();
  });
});

test('every variant named in a manifest is one a device can ask for', () => {
  expect(manifest.safeParse({ ...bundle, files: [{ ...file, variant: 'int4' }] }).success).toBe(false);
  expect(Object.values(variant._zod.def.entries)).toEqual(['fp32', 'fp16', 'u8s8', 'u8u8', 'dyn8', 'w8', 'w4']);
});
