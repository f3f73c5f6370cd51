import { expect, test } from 'vitest';
import { seededRandom } from '@serin/inference/random';
import { encodeTrees } from '@serin/inference/trees/encode';
import { marginsOf, rowMajor } from '@serin/inference/trees/predict';
import { randomEnsemble } from '@serin/inference/trees/testing/random-ensemble';
import type { Preprocessing, TablePreprocessing, TextPreprocessing } from '@serin/protocol/bundle/preprocessing';
import type { Manifest } from '@serin/protocol/bundle/manifest';
import type { EngineSession, EngineTensor } from './ports.ts';
import { RecordAnswerer, requireRecordInput, type RecordModel } from './record-answerer.ts';
import { makeBundle } from './testing/models.ts';

const customers: TablePreprocessing = {
  v: 1,
  kind: 'table',
  columns: [
    { kind: 'number', name: 'age' },
    { kind: 'category', name: 'plan', levels: ['basic', 'pro', 'gold'] },
    { kind: 'number', name: 'calls' },
  ],
};

const letters: TextPreprocessing = {
  v: 1,
  kind: 'text',
  fields: [{ name: 'subject' }, { name: 'body' }],
  unitsMax: 10_000,
  wordsMax: 1000,
  output: { kind: 'buckets', bits: 16, words: 1, weighting: 'count' },
};

async function recordModel(
  preprocessing: Preprocessing,
  run: EngineSession['run'],
  change: Partial<Manifest> = {},
  explainer?: Uint8Array,
): Promise<RecordModel> {
  const { manifest } = await makeBundle(1, 0);
  const inputs: Manifest['inputs'] =
    preprocessing.kind === 'table'
      ? [{ name: 'features', dtype: 'float32', shape: [-1, 3] }]
      : [
          { name: 'buckets', dtype: 'int64', shape: [-1, -1] },
          { name: 'weights', dtype: 'float32', shape: [-1, -1] },
        ];
  return {
    manifest: { ...manifest, task: preprocessing.kind, inputs, labels: ['no', 'yes'], ...change },
    preprocessing,
    explainer,
    session: { run, close: async () => {} },
  };
}

const probabilities = (...rows: number[]): Record<string, EngineTensor> => ({
  probabilities: { dtype: 'float32', shape: [rows.length, 2], data: Float32Array.from(rows.flatMap((share) => [1 - share, share])) },
});

async function replyTo(model: RecordModel, record: Record<string, unknown>, reasons: number) {
  const answerer = new RecordAnswerer(model);
  const prepared = answerer.prepare(record);
  return answerer.reply(record, prepared, await answerer.answer(prepared), 1, { reasons });
}

test('the columns that made an answer come with what they had, and add up to its margin; a no has the signs turned', async () => {
  const trees = randomEnsemble(seededRandom('reasons'), { link: 'logistic', outputs: 1, levels: [0, 3, 0], trees: 12, leavesMax: 8 });
  const record = { age: 41.1, plan: 'pro' };
  const row = Float32Array.of(41.1, 1, Number.NaN);
  const margin = marginsOf(trees, rowMajor(row, 3), 1)[0] ?? Number.NaN;
  for (const share of [0.9, 0.2]) {
    const model = await recordModel(customers, async () => probabilities(share), {}, encodeTrees(trees));
    const reply = await replyTo(model, record, 3);
    const sign = share > 0.5 ? 1 : -1;
    const nothing = await replyTo(model, record, 0);
    expect(nothing.reasons).toEqual([]);
    expect(reply.label).toBe(share > 0.5 ? 'yes' : 'no');
    expect(Object.fromEntries(reply.reasons.map(({ name, given }) => [name, given]))).toEqual({ age: '41.1', calls: undefined, plan: 'pro' });
    // The same record, whatever it says: what is not in the reasons is where nothing is known.
    const sum = sign * reply.reasons.reduce((total, { contribution }) => total + contribution, 0);
    const known = await replyTo(await recordModel(customers, async () => probabilities(0.9), {}, encodeTrees(trees)), {}, 3);
    const base = marginsOf(trees, rowMajor(new Float32Array(3).fill(Number.NaN), 3), 1)[0] ?? Number.NaN;
    const expected = base - known.reasons.reduce((total, { contribution }) => total + contribution, 0);
    expect(sum + expected).toBeCloseTo(margin, 5);
  }
});

test('the words that made an answer are found by leaving them out', async () => {
  const answerer = async (inputs: Record<string, EngineTensor>): Promise<Record<string, EngineTensor>> => {
    const [rows = 0, width = 0] = inputs.weights?.shape ?? [];
    const weights = inputs.weights?.data as Float32Array;
    // Each word makes it a little more certain; none weighs as much as the longest row's share.
    const shares = Array.from({ length: rows }, (_, row) => {
      const filled = weights.subarray(row * width, (row + 1) * width).filter((weight) => weight > 0).length;
      return 1 / (1 + Math.exp(2 - filled));
    });
    return probabilities(...shares);
  };
  const { reasons } = await replyTo(await recordModel(letters, answerer), { subject: 'Cheap watches', body: 'now' }, 2);
  expect(reasons).toHaveLength(2);
  for (const { given, contribution } of reasons) {
    expect(['Cheap', 'watches', 'now']).toContain(given);
    expect(contribution).toBeCloseTo(1, 5);
  }
});

test('a bundle whose records could not become its inputs, or whose trees are not of its columns, is refused before it serves', async () => {
  const run = async (): Promise<Record<string, EngineTensor>> => probabilities(0.5);
  const sound = await recordModel(customers, run);
  expect(() => requireRecordInput(sound)).not.toThrow();
  const faults: RecordModel[] = [
    { ...sound, preprocessing: undefined },
    await recordModel(customers, run, { inputs: [{ name: 'frame', dtype: 'uint8', shape: [-1, 3] }] }),
    await recordModel(customers, run, { inputs: [{ name: 'features', dtype: 'float32', shape: [-1, 4] }] }),
    await recordModel(letters, run, { inputs: [{ name: 'features', dtype: 'float32', shape: [-1, 3] }] }),
    { ...sound, explainer: Uint8Array.of(1, 2, 3) },
    { ...sound, explainer: encodeTrees(randomEnsemble(seededRandom('few'), { link: 'logistic', outputs: 1, levels: [0, 3], trees: 2, leavesMax: 4 })) },
  ];
  for (const fault of faults)
    expect(() => requireRecordInput(fault)).toThrow(expect.objectContaining({ code: expect.stringMatching(/INVALID|FAILED/) as string }) as Error);
});

test('an answer is a value where the model has no classes', async () => {
  const model = await recordModel(customers, async () => ({ value: { dtype: 'float32', shape: [1, 1], data: Float32Array.of(12.5) } }), { labels: [] });
  const reply = await replyTo(model, { age: 3, agee: 4, plan: null }, 0);
  expect(reply).toMatchObject({ value: 12.5, label: undefined, confidence: undefined, unread: ['agee'] });
  const silent = await recordModel(customers, async () => ({}));
  await expect(replyTo(silent, {}, 0)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
});
