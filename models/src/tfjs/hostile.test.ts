import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { seededRandom, type Random } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';

import { importNetwork } from './import-model.ts';
import { openTfjsModel } from './open-model.ts';
import { openTfjs } from './runtime.ts';
import { layerRows } from './testing/layer-rows.ts';
import { mergeRows, networkRows } from './testing/network-rows.ts';
import { filesOf, save, writeSaved, type Saved } from './testing/saved.ts';

const seed = Number(process.env['SEED'] ?? 20_241);
let folder = '';
let whole: Saved[] = [];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'serin-tfjs-'));
  const { tf } = await openTfjs();
  const rows = [...networkRows, ...mergeRows.slice(0, 3), ...layerRows.filter((_, index) => index % 7 === 0)];
  whole = await Promise.all(rows.map(({ build }) => save(tf, build(tf))));
});
afterAll(() => rm(folder, { recursive: true }));

const codes = ['none', 'MODEL_INVALID', 'MODEL_UNSUPPORTED'];

/** All that happens to files before a runtime sees them. */
function goThrough(saved: Saved): string {
  try {
    const { network, weights } = filesOf(saved);
    importNetwork(network, weights, { unroll: saved.bytes.length % 2 === 0 });
    return 'none';
  } catch (error) {
    if (error instanceof SerinError) return error.code;
    throw error;
  }
}

const strange: readonly unknown[] = [
  null,
  -1,
  0,
  1,
  2,
  3,
  1.5,
  7,
  64,
  65_537,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 53,
  1e308,
  '',
  'same',
  'causal',
  'relu',
  'constructor',
  '__proto__',
  'toString',
  'Sequential',
  'Dense',
  'LSTM',
  'InputLayer',
  'Bidirectional',
  'channels_first',
  true,
  false,
  [],
  {},
  [null],
  [0, 0],
  [-1, 3],
  [1, 1, 1],
  [[]],
  [[[]]],
  { class_name: 'Dense', config: {} },
  '\0',
  '‮',
];

interface Place {
  readonly holder: Record<string, unknown>;
  readonly key: string;
}

function placesOf(value: unknown, found: Place[] = []): Place[] {
  if (typeof value !== 'object' || value === null) return found;
  for (const key of Object.keys(value)) {
    // What initialises weights is of no interest to anybody who reads them.
    if (key.endsWith('initializer')) continue;
    found.push({ holder: value as Record<string, unknown>, key });
    placesOf((value as Record<string, unknown>)[key], found);
  }
  return found;
}

const pick = <Item>(items: readonly Item[], random: Random): Item => items[random.integer(items.length)] as Item;

function spoil(document: Record<string, unknown>, random: Random): void {
  const places = placesOf(document);
  const { holder, key } = pick(places, random);
  const other = pick(places, random);
  const act = random.integer(4);
  if (act === 0 && Array.isArray(holder)) holder.splice(Number(key), 1);
  else if (act === 0) delete holder[key];
  else if (act === 1) holder[key] = structuredClone(other.holder[other.key]);
  else if (act === 2 && Array.isArray(holder)) holder.push(structuredClone(holder[Number(key)]));
  else holder[key] = structuredClone(pick(strange, random));
}

test('models changed anywhere end in a coded error or in a model', () => {
  const random = seededRandom(seed);
  const seen = new Map<string, number>();
  for (let index = 0; index < 1200; index += 1) {
    const { document, bytes } = whole[index % whole.length] as Saved;
    const changed = structuredClone(document);
    for (let change = random.integer(3); change >= 0; change -= 1) spoil(changed, random);
    let code: string;
    try {
      code = goThrough({ document: changed, bytes: bytes.slice(0, random.uniform() < 0.05 ? random.integer(bytes.length + 1) : bytes.length) });
    } catch (cause) {
      throw new Error(`seed ${seed}, file ${index}`, { cause });
    }
    expect(codes).toContain(code);
    seen.set(code, (seen.get(code) ?? 0) + 1);
  }
  for (const code of codes) expect(seen.get(code) ?? 0, code).toBeGreaterThan(10);
});

test('JSON of any kind ends in a coded error', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), fc.jsonValue(), (manifest, topology) => {
      const document = { modelTopology: topology, weightsManifest: JSON.parse(manifest) as unknown };
      expect(codes).toContain(goThrough({ document, bytes: new Uint8Array(8) }));
    }),
    { seed, numRuns: 300 },
  );
});

/** A Sequential model that holds itself so many times. */
const nested = (depth: number): unknown => {
  let inner: unknown = { class_name: 'Dense', config: { name: 'deep', units: 1, batch_input_shape: [null, 1] } };
  for (let level = 0; level < depth; level += 1) inner = { class_name: 'Sequential', config: { name: `level ${level}`, layers: [inner] } };
  return inner;
};

test('what nests, repeats or claims without end is refused before it costs anything', () => {
  const of = (topology: unknown, weightsManifest: unknown = []): Saved => ({
    document: { modelTopology: topology, weightsManifest },
    bytes: new Uint8Array(0),
  });
  const dense = { name: 'a', class_name: 'Dense', config: { units: 1, name: 'a' }, inbound_nodes: [[['a', 0, 0]]] };
  const functional = (layers: unknown[]): unknown => ({
    class_name: 'Model',
    config: { name: 'm', layers, input_layers: [['x', 0, 0]], output_layers: [['a', 0, 0]] },
  });
  const x = { name: 'x', class_name: 'InputLayer', config: { name: 'x', batch_input_shape: [null, 1] }, inbound_nodes: [] };
  const huge = { paths: [], weights: [{ name: 'w', shape: [2 ** 30, 2 ** 30, 2 ** 30], dtype: 'float32' }] };
  const relu = { class_name: 'ReLU', config: {} };
  for (const [saved, words] of [
    [of(nested(40)), /nested more than/],
    [of(functional([x, dense])), /wait for each other/],
    [of(functional([x, x])), /two layers called x/],
    [of(functional([x])), /nothing makes/],
    [of({ class_name: 'Sequential', config: { layers: [{ ...relu, config: { name: 'r', batch_input_shape: [null, 1] } }] } }, [huge]), /more than the limit/],
    [of({ class_name: 'Sequential', config: { layers: Array.from({ length: 20_000 }, () => relu) } }), /more than the limit/],
  ] as const) {
    expect(() => filesAndImport(saved)).toThrow(words);
  }
});

const filesAndImport = (saved: Saved): unknown => {
  const { network, weights } = filesOf(saved);
  return importNetwork(network, weights);
};

test('models that call each other over and over stop at a limit', () => {
  let inner: unknown = { name: 'core', class_name: 'ReLU', config: { name: 'core' }, inbound_nodes: [[['x', 0, 0]]] };
  let from = 'core';
  for (let level = 0; level < 10; level += 1) {
    const x = { name: 'x', class_name: 'InputLayer', config: { name: 'x', batch_input_shape: [null, 1] }, inbound_nodes: [] };
    const ends = { input_layers: [['x', 0, 0]], output_layers: [[from, level === 0 ? 0 : 9, 0]] };
    const calls = Array.from({ length: 9 }, (_, call) => [[call === 0 ? 'x' : `level ${level}`, call, 0]]);
    inner = { name: `level ${level}`, class_name: 'Model', config: { name: `level ${level}`, layers: [x, inner], ...ends }, inbound_nodes: calls };
    from = `level ${level}`;
  }
  expect(() => filesAndImport({ document: { modelTopology: inner, weightsManifest: [] }, bytes: new Uint8Array(0) })).toThrow(/more than 100000 times/);
});

test('weights are read from the folder of the model and nowhere else', async () => {
  const saved = whole[0] as Saved;
  const place = path.join(folder, 'model');
  await writeSaved(place, saved);
  expect((await openTfjsModel(place)).weights.size).toBeGreaterThan(3);
  expect((await openTfjsModel(path.join(place, 'model.json'))).stored).toEqual(['float32']);

  await writeFile(path.join(folder, 'outside.bin'), saved.bytes);
  await symlink(path.join(folder, 'outside.bin'), path.join(place, 'link.bin'));
  await mkdir(path.join(place, 'sub'));
  const [group] = saved.document['weightsManifest'] as { weights: unknown }[];
  for (const [paths, words] of [
    [['../outside.bin'], /outside the model's folder/],
    [[path.join(folder, 'outside.bin')], /outside the model's folder/],
    [['link.bin'], /outside the model's folder/],
    [['sub'], /not a plain file/],
    [['absent.bin'], /cannot be read/],
    [['a\0b'], /cannot be read/],
    [['group1-shard1of1.bin', 'group1-shard1of1.bin'], /have more/],
    [[], /have 0/],
  ] as const) {
    await writeFile(path.join(place, 'model.json'), JSON.stringify({ ...saved.document, weightsManifest: [{ paths, weights: group?.weights }] }));
    await expect(openTfjsModel(place), paths.join()).rejects.toThrow(words);
  }
  await writeFile(path.join(place, 'model.json'), '{"modelTopology": ');
  await expect(openTfjsModel(place)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  await expect(openTfjsModel(path.join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await writeSaved(place, saved);
  await expect(openTfjsModel(place, { sizeBytesMax: saved.bytes.length - 1 })).rejects.toThrow(/limit/);
});
