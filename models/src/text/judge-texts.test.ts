import { seededRandom } from '@serin/inference/random';
import { expect, test } from 'vitest';

import { formatTable } from './format-table.ts';
import { figureLines, judgeTexts } from './judge-texts.ts';

const classes = ['ham', 'spam'];
const random = seededRandom('judge');
const labels = Int32Array.from({ length: 200 }, (_, index) => index % 2);
const probabilities = Float32Array.from({ length: 400 }, () => 0);
labels.forEach((label, row) => {
  const spam = Math.min(0.99, Math.max(0.01, 0.5 + (label === 1 ? 0.2 : -0.2) + 0.2 * random.normal()));
  probabilities.set([1 - spam, spam], 2 * row);
});

test('figures lie within their intervals, and precision and recall are those of the counts', () => {
  const figures = judgeTexts({ probabilities, labels, classes, random: seededRandom(1), repeats: 200 });
  const said = labels.map((_, row) => ((probabilities[2 * row + 1] ?? 0) > 0.5 ? 1 : 0));
  const both = said.filter((answer, row) => answer === 1 && labels[row] === 1).length;
  const [, spam] = figures.classes;
  expect(spam?.precision?.value).toBeCloseTo(both / said.filter((answer) => answer === 1).length, 10);
  expect(spam?.recall?.value).toBeCloseTo(both / 100, 10);
  for (const estimate of [figures.accuracy, figures.macroF1, figures.calibrationError, spam?.f1, spam?.auc, spam?.averagePrecision]) {
    expect(estimate?.low).toBeLessThanOrEqual(estimate?.value ?? Number.NaN);
    expect(estimate?.high).toBeGreaterThanOrEqual(estimate?.value ?? Number.NaN);
  }
});

test('texts that are copies of one another tell less than as many different ones', () => {
  const width = (groups?: Int32Array): number => {
    const { accuracy } = judgeTexts({ probabilities, labels, classes, random: seededRandom(1), repeats: 300, ...(groups === undefined ? {} : { groups }) });
    return (accuracy?.high ?? 0) - (accuracy?.low ?? 0);
  };
  const right = labels.map((label, row) => ((probabilities[2 * row + label] ?? 0) > 0.5 ? 1 : 0));
  // Groups of ten that are right or wrong together, under numbers with gaps.
  const places = [0, 0];
  const groups = right.map((own) => 1000 * own + 7 * Math.floor((places[own] = (places[own] ?? 0) + 1) / 10));
  expect(width(groups)).toBeGreaterThan(1.5 * width());
});

test('the table has a line for each class and one for all', () => {
  const lines = formatTable(figureLines(judgeTexts({ probabilities, labels, classes, random: seededRandom(1), repeats: 50 })));
  expect(lines.map((line) => line.split(' ')[0])).toEqual(['class', 'ham', 'spam', 'all']);
});
