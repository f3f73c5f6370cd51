import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { golden } from '@serin/protocol/bundle/golden';
import { preprocessing, type TextPreprocessing } from '@serin/protocol/bundle/preprocessing';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { readModel } from '../onnx/model-file.ts';
import { weightDigest } from '../train/weights.ts';
import { trainTextLinear } from './train-text.ts';
import { writeVersionFolder } from './version-folder.ts';

const reading: TextPreprocessing = {
  v: 1,
  kind: 'text',
  fields: [{ name: 'text' }],
  unitsMax: 100,
  wordsMax: 20,
  output: { kind: 'buckets', bits: 8, words: 1, weighting: 'presence' },
};
const texts = [
  'free money',
  'win money now',
  'free prize',
  'lunch at noon',
  'see you at noon',
  'meeting notes',
  'free win',
  'notes of lunch',
  'cash prize',
  'noon call',
].map((text) => ({ text }));
const labels = [1, 1, 1, 0, 0, 0, 1, 0, 1, 0];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'serin-text-version-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('a version has the model, how it reads texts and golden vectors of texts and of none, and is never written over', async () => {
  const trained = await trainTextLinear({
    texts,
    labels,
    classes: ['ham', 'spam'],
    preprocessing: reading,
    options: { l2: 1e-3 },
    validation: { texts, labels },
    seed: 1,
  });
  const target = path.join(folder, 'version');
  const wanted = { trained, labels: ['ham', 'spam'], metrics: { f1: 0.5 }, origin: 'ten lines of a test', texts };
  const written = await writeVersionFolder(target, wanted);
  expect((await readdir(target)).toSorted()).toEqual([...written].toSorted());
  const read = (name: string): Promise<Buffer> => readFile(path.join(target, name));
  expect(await weightDigest(readModel(await read('model.onnx')))).toBe(trained.weightDigest);
  expect(preprocessing.parse(JSON.parse((await read('preprocessing.json')).toString()))).toEqual(reading);
  const vectors = golden.parse(JSON.parse((await read('golden.json')).toString())).vectors;
  expect(vectors[0]?.inputs['buckets']?.shape).toEqual([1, 1]);
  expect(vectors.length).toBe(8);
  expect(JSON.parse((await read('version.json')).toString())).toMatchObject({ task: 'text', labels: ['ham', 'spam'], origin: 'ten lines of a test' });
  await expect(writeVersionFolder(target, wanted)).rejects.toMatchObject({ code: 'CONFLICT' });
  expect(await readdir(folder)).toEqual(['version']);
});
