import type { TextPreprocessing } from '@serin/protocol/bundle/preprocessing';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom } from '../random.ts';
import { explainByOcclusion, explainLinear } from './explain.ts';
import { textPreparer, type TextRecord, type TextTensors } from './prepare.ts';

const preprocessing: TextPreprocessing = {
  v: 1,
  kind: 'text',
  fields: [{ name: 'subject', prefix: 's' }, { name: 'subject' }, { name: 'body' }],
  unitsMax: 10_000,
  wordsMax: 1000,
  output: { kind: 'buckets', bits: 12, words: 2, weighting: 'log' },
};
const random = seededRandom('weights');
const weights = { columns: 1, table: Float32Array.from({ length: 2 ** 12 }, () => random.normal()), bias: Float32Array.of(0.3) };

/** The linear model as the graph computes it. */
function scoresOf({ buckets, weights: shares }: TextTensors): number[] {
  const [count = 0, width = 0] = buckets?.dims ?? [];
  return Array.from({ length: count }, (_, row) => {
    let sum = weights.bias[0] ?? 0;
    for (let at = row * width; at < (row + 1) * width; at += 1) sum += Number(shares?.data[at]) * (weights.table[Number(buckets?.data[at])] ?? 0);
    return sum;
  });
}
const predict = (tensors: TextTensors): number[] => scoresOf(tensors).flatMap((score) => [1 / (1 + Math.exp(score)), 1 / (1 + Math.exp(-score))]);

const textOf = fc.string({ unit: fc.constantFrom('free ', 'money ', 'meeting ', 'ünï ', '!!! ', '12 '), maxLength: 40 });

test('the exact parts of a linear model and its bias add up to its score, for either class', () => {
  fc.assert(
    fc.property(textOf, textOf, (subject, body) => {
      const preparer = textPreparer(preprocessing);
      const [score = 0] = scoresOf(preparer.tensors([preparer.words({ subject, body })]));
      for (const [label, sign] of [
        [1, 1],
        [0, -1],
      ] as const) {
        const explanation = explainLinear({ subject, body }, preprocessing, weights, label);
        expect(explanation.score).toBeCloseTo(sign * score, 5);
        expect(explanation.words.reduce((sum, { share }) => sum + share, explanation.bias)).toBeCloseTo(sign * score, 5);
      }
    }),
  );
});

test('the share of a word is what the log-odds lose without it', async () => {
  const record: TextRecord = { subject: 'free money', body: 'a meeting at noon' };
  const { words, label } = await explainByOcclusion({ record, preprocessing, predict, classes: 2, label: 1 });
  expect(label).toBe(1);
  const preparer = textPreparer(preprocessing);
  // Neighbours of a word that is gone are no run.
  const scoreOf = (text: TextRecord): number => scoresOf(preparer.tensors([preparer.words(text)]))[0] ?? 0;
  const end = words.at(-1);
  expect(record['body']?.toString().slice(end?.start, end?.end)).toBe('noon');
  expect(end?.share).toBeCloseTo(scoreOf(record) - scoreOf({ ...record, body: 'a meeting at' }), 5);
  const first = words[0];
  expect(first).toMatchObject({ field: 'subject', start: 0, end: 4 });
  expect(first?.share).toBeCloseTo(scoreOf(record) - scoreOf({ ...record, subject: 'money' }), 5);
});

test('each word is explained once, in order, even of a field that is listed twice', async () => {
  const record = { subject: 'Free mönëy', body: 'now ﬁve!' };
  const expected = ['Free', 'mönëy', 'now', 'ﬁve', '!'];
  const cutOut = ({ field, start, end }: { field: string; start: number; end: number }): string =>
    (record as Record<string, string>)[field]?.slice(start, end) ?? '';
  expect((await explainByOcclusion({ record, preprocessing, predict, classes: 2 })).words.map(cutOut)).toEqual(expected);
  expect(explainLinear(record, preprocessing, weights, 1).words.map(cutOut)).toEqual(expected);
});

test('a long text is asked about no more often than allowed, and covered nevertheless', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 2, max: 80 }), fc.integer({ min: 0, max: 400 }), async (variantsMax, count) => {
      let asked = 0;
      const body = Array.from({ length: count }, (_, index) => `w${index}`).join(' ');
      const { words } = await explainByOcclusion({
        record: { body },
        preprocessing: { ...preprocessing, fields: [{ name: 'body' }] },
        predict: (tensors, texts) => {
          asked += texts;
          return predict(tensors);
        },
        classes: 2,
        variantsMax,
      });
      expect(asked).toBeLessThanOrEqual(variantsMax);
      const covered = words.map(({ start, end }) => body.slice(start, end)).join(' ');
      expect(covered).toBe(body);
    }),
    { numRuns: 40 },
  );
});

test('of a long text the words that matter most are looked at one by one', async () => {
  const body = [...Array.from({ length: 300 }, (_, index) => `w${index}`), 'viagra', ...Array.from({ length: 300 }, (_, index) => `v${index}`)].join(' ');
  const own: TextPreprocessing = { ...preprocessing, fields: [{ name: 'body' }], output: { kind: 'tokens', bits: 20, length: 700 } };
  const preparer = textPreparer(own);
  const numbersOf = ({ tokens }: TextTensors): BigInt64Array => tokens?.data as BigInt64Array;
  const [wanted = 0n] = numbersOf(preparer.tensors([preparer.words({ body: 'viagra' })]));
  const { words } = await explainByOcclusion({
    record: { body },
    preprocessing: own,
    predict: (tensors, count) =>
      Array.from({ length: count }, (_, row) =>
        numbersOf(tensors)
          .subarray(row * 700, (row + 1) * 700)
          .includes(wanted)
          ? [0.1, 0.9]
          : [0.9, 0.1],
      ).flat(),
    classes: 2,
    variantsMax: 64,
  });
  const [top] = words.toSorted((one, other) => other.share - one.share);
  expect(body.slice(top?.start, top?.end)).toBe('viagra');
});
