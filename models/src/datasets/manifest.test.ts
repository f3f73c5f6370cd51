import { createHash } from 'node:crypto';

import fc from 'fast-check';
import { expect, test } from 'vitest';

import type { Digest } from '@serin/protocol/ids';

import {
  dataDigest,
  decodeManifest,
  decodeSummary,
  diffManifests,
  encodeManifest,
  inReadingOrder,
  isSafePath,
  manifestDigest,
  mergeEntries,
  summarise,
  type Manifest,
  type ManifestEntry,
} from './manifest.ts';

const digestOf = (text: string): Digest => createHash('sha256').update(text).digest('hex') as Digest;

const part = fc.stringMatching(/^[\p{L}\p{N} ._"'-]{1,8}$/u).filter((name) => isSafePath(name));
const entry: fc.Arbitrary<ManifestEntry> = fc
  .record(
    {
      path: fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')),
      sha256: fc.integer({ min: 0, max: 30 }).map((number) => digestOf(String(number))),
      bytes: fc.nat(),
      rows: fc.nat(),
      label: fc.string({ maxLength: 10 }),
      split: fc.constantFrom('train' as const, 'validation' as const, 'test' as const),
      source: fc.string({ maxLength: 10 }),
      time: fc.nat(),
    },
    { requiredKeys: ['path', 'sha256', 'bytes'] },
  )
  .filter(({ path }) => isSafePath(path));
const entries = fc.uniqueArray(entry, { selector: ({ path }) => path, maxLength: 12 });
const manifest: fc.Arbitrary<Manifest> = entries.map((list) => ({
  dataset: 'prices',
  version: 3,
  parent: 2,
  createdAt: 5,
  spec: { kind: 'table', label: 'y', ignore: ['z'] },
  shares: { validation: 0.1, test: 0.1 },
  note: 'n "ü"\n',
  entries: list,
}));

const bytesOf = (value: Manifest): Uint8Array => new TextEncoder().encode([...encodeManifest(value)].join(''));
const piecesOf = (bytes: Uint8Array, size: number): Uint8Array[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size));
const sorted = (list: readonly ManifestEntry[]): ManifestEntry[] => [...list].sort((one, other) => (one.path < other.path ? -1 : 1));

test('a manifest comes back as it was written, however its bytes are cut', async () => {
  await fc.assert(
    fc.asyncProperty(manifest, fc.integer({ min: 1, max: 300 }), async (value, size) => {
      const pieces = piecesOf(bytesOf(value), size);
      expect(await decodeManifest(pieces)).toEqual({ ...value, entries: sorted(value.entries) });
      expect(await decodeSummary(pieces)).toEqual(summarise({ ...value, entries: value.entries }) satisfies object);
    }),
  );
});

test('the identity of data does not depend on the order, the names, the sources and the times of files', () => {
  fc.assert(
    fc.property(manifest, fc.nat(), (value, seed) => {
      const turned = [...value.entries].sort((one, other) => ((one.bytes * 7919 + seed) % 13) - ((other.bytes * 7919 + seed) % 13));
      expect(manifestDigest({ ...value, entries: turned })).toBe(manifestDigest(value));
      const renamed = value.entries.map(({ source: _source, time: _time, ...kept }, index) => ({ ...kept, path: `other/${index}`, time: 9 }));
      expect(dataDigest({ ...value, entries: renamed })).toBe(dataDigest(value));
      // Equal data is also read in an equal order.
      const contents = (list: readonly ManifestEntry[]): string[] =>
        inReadingOrder(list).map(({ sha256, label, split }) => JSON.stringify([sha256, label ?? '', split]));
      expect(contents(renamed)).toEqual(contents(value.entries));
    }),
  );
});

test('whatever training sees changes the identity of data', () => {
  fc.assert(
    fc.property(manifest, entry, (value, other) => {
      const digest = dataDigest(value);
      expect(dataDigest({ ...value, entries: [...value.entries, { ...other, path: 'one more' }] })).not.toBe(digest);
      expect(dataDigest({ ...value, spec: { ...value.spec, label: 'x' } })).not.toBe(digest);
      expect(dataDigest({ ...value, shares: { validation: 0.2, test: 0.1 } })).not.toBe(digest);
      const [first, ...rest] = value.entries;
      if (first === undefined) return;
      expect(dataDigest({ ...value, entries: [{ ...first, sha256: digestOf('new') }, ...rest] })).not.toBe(digest);
      expect(dataDigest({ ...value, entries: [{ ...first, label: `${first.label ?? ''}x` }, ...rest] })).not.toBe(digest);
    }),
  );
});

test('a manifest that was cut off or changed anywhere is refused with a code', async () => {
  await fc.assert(
    fc.asyncProperty(manifest, fc.nat(), fc.nat(255), async (value, where, byte) => {
      const bytes = bytesOf(value);
      const cut = bytes.slice(0, where % bytes.length);
      await expect(decodeManifest([cut])).rejects.toMatchObject({ code: 'DATASET_DAMAGED' });
      const changed = bytes.slice();
      changed[where % bytes.length] = byte;
      const found = await decodeManifest([changed]).catch((error: unknown) => error);
      // What no digest covers may change, and then it is another manifest.
      if (found instanceof Error) expect(found).toMatchObject({ code: 'DATASET_DAMAGED' });
      else expect(dataDigest(found as Manifest)).toBe(dataDigest(value));
    }),
  );
});

test('paths that lead out of a folder, on any system, are none', () => {
  for (const path of ['', '/a', 'a/', 'a//b', '..', 'a/../b', './a', 'a\\b', 'C:/x', 'c:x', 'a\0', `${'a'.repeat(1025)}`])
    expect([path, isSafePath(path)]).toEqual([path, false]);
  for (const path of ['a', 'a/b.csv', '..a', 'ü ü/…']) expect([path, isSafePath(path)]).toEqual([path, true]);
});

test('adding keeps what was there, takes a new file for the old one of its name, and leaves copies out', () => {
  const of = (path: string, content: string, label?: string): ManifestEntry => ({
    path,
    sha256: digestOf(content),
    bytes: 1,
    ...(label === undefined ? {} : { label }),
  });
  const { entries: merged, copies } = mergeEntries(
    [of('a', '1'), of('b', '2'), of('c', '3')],
    [of('b', '2 new'), of('d', '1'), of('e', '1', 'other label'), of('f', '4'), of('g', '4')],
  );
  expect(merged).toEqual([of('a', '1'), of('b', '2 new'), of('c', '3'), of('e', '1', 'other label'), of('f', '4')]);
  expect(copies).toEqual([
    { path: 'd', of: 'a' },
    { path: 'g', of: 'f' },
  ]);
});

test('nothing is lost by merging: every content of both sides that was not replaced is in the result, once', () => {
  fc.assert(
    fc.property(entries, entries, (parent, added) => {
      const { entries: merged, copies } = mergeEntries(parent, added);
      const key = ({ sha256, label = '', split }: ManifestEntry): string => `${sha256} ${label} ${split ?? ''}`;
      const names = new Set(added.map(({ path }) => path));
      const wanted = new Set([...parent.filter(({ path }) => !names.has(path)), ...added].map(key));
      expect(new Set(merged.map(key))).toEqual(wanted);
      expect(new Set(merged.map(({ path }) => path)).size).toBe(merged.length);
      // The same delivery again changes nothing.
      const again = mergeEntries(merged, added);
      expect(new Set(again.entries.map(key))).toEqual(wanted);
      expect(copies.every(({ path }) => names.has(path))).toBe(true);
    }),
  );
});

test('a difference tells what came, went, changed and moved, and nothing between equals', () => {
  fc.assert(
    fc.property(manifest, manifest, (from, to) => {
      expect(diffManifests(from, from)).toMatchObject({
        added: [],
        removed: [],
        changed: [],
        moved: [],
        unchanged: from.entries.length,
        sameData: true,
        specChanged: false,
      });
      const { added, removed, changed, moved, unchanged } = diffManifests(from, to);
      expect(added.length + changed.length + moved.length + unchanged).toBe(to.entries.length);
      expect(removed.length + changed.length + moved.length + unchanged).toBe(from.entries.length);
      const back = diffManifests(to, from);
      expect([back.added.length, back.removed.length, back.moved.length]).toEqual([removed.length, added.length, moved.length]);
    }),
  );
});
