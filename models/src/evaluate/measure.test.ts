import fc from 'fast-check';
import { expect, test } from 'vitest';

import { designLight, partKinds } from '@serin/inference/bin-scene/parameters';
import { renderBin } from '@serin/inference/bin-scene/render';
import type { Part } from '@serin/inference/detections';
import { seededRandom } from '@serin/inference/random';

import { kindOf, type Judged, type KnownMetric, type Metrics } from './judged.ts';
import { judgeClasses, judgeValues } from './judged-classes.ts';
import { judgeBoxes, judgeDetections, type BoxedFrame, type DetectedFrame } from './detection-schemes.ts';
import { compareJudged, measure } from './measure.ts';
import { everyRow } from './ranking.ts';
import type { Slice } from './slices.ts';

const names = ['red', 'green', 'blue'];

/** Answers that are right about as often as `skill` says. */
function classifier(seed: number, rows: number, skill: number): Judged {
  const random = seededRandom(`classes ${seed}`);
  const labels = Uint8Array.from({ length: rows }, (_, row) => row % names.length);
  const probabilities = new Float32Array(rows * names.length);
  labels.forEach((label, row) => {
    const said = random.uniform() < skill ? label : random.integer(names.length);
    const sure = random.between(0.4, 0.95);
    for (let place = 0; place < names.length; place += 1) probabilities[row * names.length + place] = place === said ? sure : (1 - sure) / 2;
  });
  return judgeClasses({ probabilities, labels, names });
}

function regression(seed: number, rows: number, noise: number): Judged {
  const random = seededRandom(`values ${seed}`);
  const truths = Float64Array.from({ length: rows }, (_, row) => row % 17);
  return judgeValues({ truths, values: truths.map((value) => value + noise * random.normal()) });
}

const scenes: readonly (readonly Part[])[] = Array.from({ length: 40 }, (_, index) => renderBin(seededRandom(`scene ${index}`), designLight).parts);

/** What is said of scenes by somebody who sees them `blur` pixels off, mistakes some and dreams of others. */
function detected(seed: number, blur: number, count = scenes.length): DetectedFrame[] {
  const random = seededRandom(`frames ${seed}`);
  return scenes.slice(0, count).map((parts) => ({
    parts,
    detections: parts
      .filter(() => random.uniform() < 0.95)
      .map((part) => ({
        label: random.uniform() < 0.05 ? random.integer(partKinds.length) : part.label,
        x: part.x + blur * random.normal(),
        y: part.y + blur * random.normal(),
        angle: part.angle + 0.05 * blur * random.normal(),
        // A few values, so that equal scores are frequent.
        score: (2 + random.integer(8)) / 10,
      })),
  }));
}

/** The same with boxes of any size, parallel to the picture. */
function boxed(seed: number, blur: number): BoxedFrame[] {
  const random = seededRandom(`boxes ${seed}`);
  return scenes.map((parts) => {
    const truths = parts.map(({ label, x, y }) => ({ label, x, y, width: 20 + label, height: 30 }));
    const moved = (value: number): number => value + blur * random.normal();
    const detections = truths.map((box) => ({ ...box, x: moved(box.x), y: moved(box.y), width: Math.max(1, moved(box.width)), score: random.uniform() }));
    return { truths, detections };
  });
}
const boxNames = partKinds.map(({ label }) => label);

const halves = (rows: number): Slice[] =>
  ['even', 'odd'].map((value, rest) => ({
    column: 'row',
    value,
    rows: Uint32Array.from({ length: rows }, (_, row) => row).filter((row) => row % 2 === rest),
  }));

const tasks: [task: string, good: Judged, poor: Judged][] = [
  ['a classifier', classifier(1, 120, 0.9), classifier(2, 120, 0.6)],
  ['a regression', regression(1, 120, 0.5), regression(2, 120, 2)],
  ['a detector', judgeDetections(detected(1, 1)), judgeDetections(detected(2, 5))],
  ['a detector of boxes', judgeBoxes(boxed(1, 3), boxNames, 0.1), judgeBoxes(boxed(2, 8), boxNames, 0.1)],
];
const settings = (rows: number) => ({ random: seededRandom(3), repeats: 100, slices: halves(rows) });

test.each(tasks)('%s: every metric has an interval that holds its value, on all examples, on slices and on classes', async (_, judged) => {
  const { metrics, main, count, units } = await measure(judged, settings(judged.rows));
  expect({ count, units }).toEqual({ count: judged.rows, units: judged.rows });
  expect(metrics.map(({ name }) => name)).toContain(main);
  for (const { name, estimate, slices } of metrics) {
    const { value, low, high } = estimate ?? { value: Number.NaN, low: 0, high: 0 };
    expect(value, name).toBeCloseTo(judged.metrics[name as KnownMetric]?.(everyRow(judged.rows)) ?? Number.NaN, 12);
    expect(low, name).toBeLessThanOrEqual(value);
    expect(high, name).toBeGreaterThanOrEqual(value);
    expect(high, name).toBeGreaterThan(low);
    for (const column of new Set(slices.map((slice) => slice.column))) expect(['row', 'class']).toContain(column);
    expect(slices.filter(({ column }) => column === 'row').map(({ value: half }) => half)).toEqual(['even', 'odd']);
    for (const slice of slices) if (slice.estimate !== null) expect(slice.estimate.low).toBeLessThanOrEqual(slice.estimate.value);
  }
});

test.each(tasks)('%s: a slice is judged as if there were nothing else', async (_, judged) => {
  const [even] = halves(judged.rows) as [Slice];
  const { metrics } = await measure(judged, settings(judged.rows));
  const alone = judged.within(even.rows);
  for (const { name, slices } of metrics) {
    const found = slices.find(({ value }) => value === 'even')?.estimate?.value;
    expect(found, name).toBeCloseTo(alone[name as KnownMetric]?.(everyRow(even.rows.length)) ?? Number.NaN, 12);
  }
});

test.each(tasks)('%s: a model differs from itself by nothing at all', async (_, judged) => {
  const { metrics, right } = await compareJudged(judged, judged, settings(judged.rows));
  const nothing = { value: 0, low: 0, high: 0 };
  for (const { gain, slices } of metrics) {
    expect(gain).toEqual(nothing);
    for (const slice of slices) expect(slice.estimate ?? nothing).toEqual(nothing);
  }
  if (right !== null) expect(right).toMatchObject({ wins: 0, losses: 0, difference: 0, pValue: 1 });
});

test.each(tasks)('%s: the better one gains, whichever way the metric goes, and the other loses as much', async (_, good, poor) => {
  const there = await compareJudged(good, poor, settings(good.rows));
  const back = await compareJudged(poor, good, settings(good.rows));
  const main = there.metrics.find(({ name }) => name === there.main);
  expect(main?.gain?.low).toBeGreaterThan(0);
  for (const slice of main?.slices ?? []) if (slice.column === 'row') expect(slice.estimate?.low).toBeGreaterThan(0);
  there.metrics.forEach(({ gain }, index) => expect(back.metrics[index]?.gain?.value).toBeCloseTo(-(gain?.value ?? Number.NaN), 12));
  if (there.right !== null) expect(there.right.wins).toBeGreaterThanOrEqual(there.right.losses);
  // Intervals that hold all at once are wider than one that stands alone.
  const alone = await compareJudged(good, poor, { ...settings(good.rows), slices: halves(good.rows).slice(0, 1) });
  const widthOf = ({ metrics }: typeof there): number => {
    const estimate = metrics.find(({ name }) => name === there.main)?.slices.find(({ value }) => value === 'even')?.estimate;
    return (estimate?.high ?? 0) - (estimate?.low ?? 0);
  };
  if (good.classes.length === 0) expect(widthOf(there)).toBeGreaterThan(widthOf(alone));
});

test('figures of resampled frames are those of the frames written out as often as they were drawn', () => {
  const frames = detected(7, 3, 12);
  const judged = judgeDetections(frames);
  const valuesOf = (metrics: Metrics, counts: ArrayLike<number>) => Object.entries(metrics).map(([name, metric]) => [name, metric(counts)] as const);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: frames.length, maxLength: frames.length }), (counts) => {
      const written = judgeDetections(frames.flatMap((frame, index) => Array.from({ length: counts[index] ?? 0 }, () => frame)));
      const portions: [Metrics, Metrics][] = [
        [judged.metrics, written.metrics],
        ...judged.classes.map(({ metrics }, label): [Metrics, Metrics] => [metrics, written.classes[label]?.metrics ?? {}]),
      ];
      for (const [drawn, direct] of portions) {
        const expected = new Map(valuesOf(direct, everyRow(written.rows)));
        for (const [name, value] of valuesOf(drawn, counts)) {
          if (Number.isNaN(expected.get(name))) expect(value, name).toBeNaN();
          else expect(value, name).toBeCloseTo(expected.get(name) ?? 0, 10);
        }
      }
    }),
    { numRuns: 20 },
  );
});

test('where all are right the interval says how few they were', async () => {
  const perfect = (rows: number) =>
    judgeClasses({ probabilities: Array.from({ length: rows }, () => [0, 1]).flat(), labels: new Uint8Array(rows).fill(1), names: ['no', 'yes'] });
  const accuracyOf = async (judged: Judged) =>
    (await measure(judged, { random: seededRandom(1), repeats: 50 })).metrics.find(({ name }) => name === 'accuracy');
  const [few, many] = [await accuracyOf(perfect(30)), await accuracyOf(perfect(300))];
  // Clopper and Pearson: 1 - low^n = 0.975.
  expect(few?.estimate?.low).toBeCloseTo(0.025 ** (1 / 30), 6);
  expect(many?.estimate?.low).toBeCloseTo(0.025 ** (1 / 300), 6);
  expect([few?.estimate?.value, few?.estimate?.high]).toEqual([1, 1]);
  const grouped = await accuracyOf({ ...perfect(300), groups: Uint32Array.from({ length: 300 }, (_, row) => row % 30) });
  expect(grouped?.estimate?.low).toBeCloseTo(few?.estimate?.low ?? 0, 6);
});

test('a slice that is worse than the rest says by how much, and better by how much where it is better', async () => {
  const [good, poor] = [classifier(6, 120, 0.95), classifier(7, 120, 0.4)];
  const right = Uint8Array.from({ length: 240 }, (_, row) => (row < 120 ? good : poor).right?.[row % 120] ?? 0);
  const judged = judgeClasses({ probabilities: Array.from(right, (one) => [1 - one, one]).flat(), labels: new Uint8Array(240).fill(1), names: ['no', 'yes'] });
  const rowsOf = (from: number): Uint32Array => Uint32Array.from({ length: 120 }, (_, row) => from + row);
  const slices = [0, 120].map((from): Slice => ({ column: 'line', value: from === 0 ? 'new' : 'old', rows: rowsOf(from) }));
  const { metrics } = await measure(judged, { random: seededRandom(1), repeats: 200, slices });
  const [fresh, old] = (metrics.find(({ name }) => name === 'accuracy')?.slices ?? []).filter(({ column }) => column === 'line');
  expect(fresh?.difference?.low).toBeGreaterThan(0);
  expect(old?.difference?.high).toBeLessThan(0);
  expect(fresh?.difference?.value).toBeCloseTo((fresh?.estimate?.value ?? 0) - (old?.estimate?.value ?? 0), 12);
});

test('stricter overlaps find less, and the mean over them lies below the first', async () => {
  const { metrics } = await measure(judgeDetections(detected(1, 2)), { random: seededRandom(1), repeats: 50 });
  const value = (wanted: KnownMetric): number => metrics.find(({ name }) => name === wanted)?.estimate?.value ?? Number.NaN;
  expect(value('map50to95')).toBeLessThan(value('map50'));
  expect(value('map50to95')).toBeGreaterThan(0);
  expect(value('centreErrorPx')).toBeLessThan(value('centreErrorPxP90'));
});

test('boxes of known overlap, worked out by hand', () => {
  const box = (label: number, x: number, more: Partial<BoxedFrame['truths'][number]> = {}) => ({ label, x, y: 50, width: 20, height: 10, ...more });
  const truths = [box(0, 50), box(0, 150), box(1, 250, { angle: 0 })];
  // Moved by 2 of 20: 18 of 22, a hit at seven of the ten overlaps (0.5 to 0.8).
  const near = { ...box(0, 52), score: 0.9 };
  const wide = { ...box(0, 150, { width: 32 }), score: 0.8 };
  // A quarter turn: 100 of 300.
  const turned = { ...box(1, 250, { angle: Math.PI / 2 }), score: 0.7 };
  const judged = judgeBoxes([{ truths, detections: [near, wide, turned] }], ['box', 'lid']);
  const value = (name: KnownMetric, place?: number): number | undefined => (place === undefined ? judged : judged.classes[place])?.metrics[name]?.([1]);
  expect([value('map50', 0), value('map50', 1), value('map50')]).toEqual([1, 0, 0.5]);
  // 20 of 32 is a hit at three of them (0.5, 0.55, 0.6); at the next four one of two is found, at the last three none.
  expect(value('map50to95', 0)).toBeCloseTo((3 * 1 + 4 * 0.5) / 10, 12);
  expect([value('recall'), value('precision'), value('framesRight')]).toEqual([2 / 3, 2 / 3, 0]);
  expect([value('centreErrorPx', 0), value('centreErrorPxP90', 0)]).toEqual([2, 2]);
  expect(value('angleErrorDeg')).toBeNaN();
  const lid = { ...truths[2], label: 1, x: 250, y: 50, width: 20, height: 10 };
  const skewed = judgeBoxes([{ truths: [lid], detections: [{ ...lid, angle: Math.PI + 0.1, score: 0.9 }] }], ['box', 'lid']);
  expect(skewed.metrics.angleErrorDeg?.([1])).toBeCloseTo(18 / Math.PI, 10);
  expect(skewed.metrics.framesRight?.([1])).toBe(1);
  expect(judgeBoxes([{ truths, detections: [{ ...near, label: 1 }] }], ['box', 'lid']).confusion?.counts).toEqual([
    [0, 1, 1],
    [0, 0, 1],
    [0, 0, 0],
  ]);
});

test('every part and every detection is once in the table of confusions', () => {
  const [washer, nut, plate] = [0, 1, 2];
  const at = (label: number, x: number) => ({ label, x, y: 60, angle: 0 });
  const parts = [at(washer, 20), at(nut, 50), at(plate, 80)].map((part) => ({ ...part, visible: 1 }));
  // One right, one taken for another kind, one missed, one dreamt of, one too unsure to count.
  const detections = [at(washer, 21), at(plate, 51), at(nut, 110)].map((one) => ({ ...one, score: 0.9 }));
  const { confusion } = judgeDetections([{ parts, detections: [...detections, { ...at(nut, 5), score: 0.1 }] }]);
  expect(confusion?.truths).toEqual(['washer', 'nut', 'plate', 'bolt', 'background']);
  expect(confusion?.answers).toEqual(['washer', 'nut', 'plate', 'bolt', 'missed']);
  expect(confusion?.counts).toEqual([
    [1, 0, 0, 0, 0],
    [0, 0, 1, 0, 0],
    [0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0],
    [0, 1, 0, 0, 0],
  ]);
  const frames = detected(9, 3);
  const counts = judgeDetections(frames).confusion?.counts ?? [];
  const sumOf = (lines: readonly (readonly number[])[]): number => lines.flat().reduce((sum, one) => sum + one, 0);
  expect(sumOf(counts.slice(0, -1))).toBe(frames.reduce((sum, frame) => sum + frame.parts.length, 0));
  expect(sumOf(counts.map((line) => line.slice(0, -1)))).toBe(
    frames.reduce((sum, frame) => sum + frame.detections.filter(({ score }) => score >= 0.3).length, 0),
  );
});

test('an answer that is no number is in the table too, and wrong', () => {
  const { confusion, right } = judgeClasses({ probabilities: [0.9, 0.1, Number.NaN, 0.5, 0.2, 0.8], labels: [0, 0, 1], names: ['no', 'yes'] });
  expect(confusion).toEqual({
    truths: ['no', 'yes'],
    answers: ['no', 'yes', 'no answer'],
    counts: [
      [1, 0, 1],
      [0, 1, 0],
    ],
  });
  expect([...(right ?? [])]).toEqual([1, 0, 1]);
});

test('examples that belong together are drawn together, which makes intervals as wide as they must be', async () => {
  // Each answer ten times: no more is known than from one of each.
  const some = classifier(4, 30, 0.7);
  const repeated = Uint32Array.from({ length: 300 }, (_, row) => row % 30);
  const widened: Judged = { ...some, rows: 300, metrics: some.within(repeated), within: (rows) => some.within(rows.map((row) => row % 30)), classes: [] };
  const widthOf = async (judged: Judged): Promise<number> => {
    const { metrics } = await measure(judged, { random: seededRandom(1), repeats: 300 });
    const { low, high } = metrics.find(({ name }) => name === 'accuracy')?.estimate ?? { low: 0, high: 0 };
    return high - low;
  };
  const [alone, together] = [await widthOf(widened), await widthOf({ ...widened, groups: repeated })];
  expect(together).toBeGreaterThan(2 * alone);
  expect((await measure({ ...widened, groups: repeated }, { random: seededRandom(1), repeats: 20 })).units).toBe(30);
});

test('what is too small to be told from chance is left out, and said', async () => {
  const judged = classifier(5, 60, 0.8);
  const few: Slice = { column: 'shop', value: 'north', rows: Uint32Array.of(1, 2, 3) };
  const { metrics, notes } = await measure(judged, { random: seededRandom(1), repeats: 20, slices: [few] });
  expect(metrics.flatMap(({ slices }) => slices).filter(({ column }) => column === 'shop')).toEqual([]);
  expect(notes.join()).toContain('1 slice with fewer than 20 examples');
  await expect(compareJudged(judged, classifier(5, 61, 0.8), { random: seededRandom(1) })).rejects.toThrow('cannot be paired');
});

test('whatever gets better when it grows is known to', () => {
  expect((['map50', 'auc', 'r2', 'recall'] as const).map((name) => kindOf(name).better)).toEqual(['higher', 'higher', 'higher', 'higher']);
  expect((['logLoss', 'ece', 'rmse', 'centreErrorPx'] as const).map((name) => kindOf(name).better)).toEqual(['lower', 'lower', 'lower', 'lower']);
});
