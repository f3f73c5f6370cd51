import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';

import type { Table } from '../../data/table.ts';
import { int, ints, type Model } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { openSession, runtimeTensor, type Session } from '../../onnx/session.ts';
import { defineModel } from '../../train/layers.ts';
import { judgeClasses } from '../judged-classes.ts';
import type { Judged } from '../judged.ts';
import { attackPerturbations, moveAlong } from './attack.ts';
import { classLoss, classTargets, openInputGradient } from './input-gradient.ts';
import { drawExamples, type Perturbation } from './perturbation.ts';
import { countPictures, frameBytesOf, perturbPicture, pictureKinds, picturePerturbations, type Pictures } from './pictures.ts';
import { perturbTable, recordKinds, recordPerturbations } from './records.ts';
import { measureRobustness, type RobustnessOptions } from './robustness.ts';

const shape = { width: 16, height: 16, channels: 3 };
const severities = [1, 2, 3] as const;

/** A few soft blobs of colour. */
function scene(seed: number): Uint8Array {
  const random = seededRandom(`scene ${seed}`);
  const spots = Array.from({ length: 3 }, () => ({ x: random.between(0, 16), y: random.between(0, 16), colour: [0, 1, 2].map(() => random.between(-90, 90)) }));
  return Uint8Array.from({ length: frameBytesOf(shape) }, (_, at) => {
    const [x, y] = [Math.floor(at / 3) % 16, Math.floor(at / 48)];
    const value = spots.reduce((sum, spot) => sum + (spot.colour[at % 3] as number) * Math.exp(-((x - spot.x) ** 2 + (y - spot.y) ** 2) / 20), 120);
    return Math.min(255, Math.max(0, value));
  });
}

const pictures: Pictures = { shape, pixels: Uint8Array.from(Array.from({ length: 50 }, (_, seed) => [...scene(seed)]).flat()) };
const count = countPictures(pictures);
const context = { random: seededRandom(5), signal: undefined };

const isSame = (one: Uint8Array | undefined, other: Uint8Array | undefined): boolean =>
  one !== undefined && other !== undefined && Buffer.compare(one, other) === 0;
const distance = (one: Uint8Array, other: Uint8Array): number => one.reduce((sum, value, at) => sum + Math.abs(value - (other[at] as number)), 0) / one.length;

describe('pictures', () => {
  const anyFrame = fc.uint8Array({ minLength: frameBytesOf(shape), maxLength: frameBytesOf(shape) });

  test('severity 0 leaves a picture as it is, whatever the kind', async () => {
    await fc.assert(
      fc.asyncProperty(anyFrame, fc.constantFrom(...pictureKinds), async (frame, kind) => {
        const changed = frame.slice();
        await perturbPicture(kind, 0, changed, shape, seededRandom(1));
        expect(isSame(changed, frame)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  test('light goes one way at every pixel and never wraps round', async () => {
    await fc.assert(
      fc.asyncProperty(anyFrame, fc.constantFrom(...severities), async (frame, severity) => {
        const [brighter, darker] = [frame.slice(), frame.slice()];
        await perturbPicture('brighter', severity, brighter, shape, seededRandom(1));
        await perturbPicture('darker', severity, darker, shape, seededRandom(1));
        expect(frame.every((value, at) => (brighter[at] as number) >= value && (darker[at] as number) <= value)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  test.each(pictureKinds)('%s: the same seed does the same, more of it at each severity, and leaves what it was given', async (kind) => {
    const before = pictures.pixels.slice();
    const all = picturePerturbations([kind]);
    expect(all.map(({ severity }) => severity)).toEqual([1, 2, 3]);
    const changed = await Promise.all(all.map((one) => one.apply(pictures, context)));
    expect(isSame((await all[0]?.apply(pictures, context))?.pixels, changed[0]?.pixels)).toBe(true);
    expect(isSame(pictures.pixels, before)).toBe(true);
    const away = changed.map(({ pixels }) => distance(pixels, before));
    expect(away[0]).toBeGreaterThan(0);
    expect(away[1]).toBeGreaterThan(away[0] ?? 0);
    expect(away[2]).toBeGreaterThan(away[1] ?? 0);
    // What happens to a picture does not hang on the others.
    const few = await (all[1] as Perturbation<Pictures>).apply({ shape, pixels: before.subarray(0, 3 * frameBytesOf(shape)) }, context);
    expect(isSame(few.pixels, changed[1]?.pixels.subarray(0, 3 * frameBytesOf(shape)))).toBe(true);
  });

  test('a rectangle covers the share it says', async () => {
    const frame = new Uint8Array(64 * 64).fill(1);
    await perturbPicture('occlusion', 3, frame, { width: 64, height: 64, channels: 1 }, seededRandom(3));
    const covered = frame.filter((value) => value !== 1).length / frame.length;
    expect(Math.abs(covered - 0.2)).toBeLessThan(0.02);
  });

  test('what cannot be done to them is told', async () => {
    const odd: Pictures = { shape: { width: 4, height: 4, channels: 2 }, pixels: new Uint8Array(32) };
    await expect(picturePerturbations(['jpeg'])[0]?.apply(odd, context)).rejects.toThrow('these pictures have 2');
  });
});

describe('records', () => {
  const rows = 400;
  const random = seededRandom(8);
  const table: Table = {
    rows,
    columns: [
      { kind: 'number', name: 'age', values: Float64Array.from({ length: rows }, () => 40 + 10 * random.normal()) },
      { kind: 'category', name: 'town', levels: ['a', 'b'], codes: Int32Array.from({ length: rows }, () => random.integer(2)) },
      { kind: 'text', name: 'said', values: Array.from({ length: rows }, (_, row) => (row % 10 === 0 ? undefined : 'some words that were  written here')) },
      { kind: 'number', name: 'secret', values: new Float64Array(rows).fill(1) },
    ],
  };
  const columns = ['age', 'town', 'said'];

  test('severity 0 leaves a table as it is, and no severity touches columns that are not looked at', () => {
    for (const kind of recordKinds) {
      expect(perturbTable(kind, 0, table, columns, seededRandom(1))).toEqual(table);
      for (const severity of severities) expect(perturbTable(kind, severity, table, columns, seededRandom(1)).columns[3]).toBe(table.columns[3]);
      expect(perturbTable(kind, 2, table, columns, seededRandom(1))).toEqual(perturbTable(kind, 2, table, columns, seededRandom(1)));
    }
  });

  test('cells are lost, numbers move by shares of their deviation, letters are swapped, words dropped', () => {
    const of = (kind: (typeof recordKinds)[number], severity: 1 | 2 | 3): Table => perturbTable(kind, severity, table, columns, seededRandom(2));
    const [age, town, said] = of('missing', 3).columns;
    const lost = [
      age?.kind === 'number' && age.values.filter(Number.isNaN).length,
      town?.kind === 'category' && town.codes.filter((code) => code === -1).length,
      said?.kind === 'text' && said.values.filter((value) => value === undefined).length - rows / 10,
    ];
    for (const cells of lost) expect(Math.abs(Number(cells) / rows - 0.2)).toBeLessThan(0.06);

    const [moved] = of('jitter', 1).columns;
    const [still] = table.columns;
    if (moved?.kind !== 'number' || still?.kind !== 'number') throw new Error('no numbers');
    const away = Math.sqrt(moved.values.reduce((sum, value, row) => sum + (value - (still.values[row] as number)) ** 2, 0) / rows);
    expect(Math.abs(away - 1)).toBeLessThan(0.15);

    const wordsOf = (changed: Table): string[] =>
      (changed.columns[2]?.kind === 'text' ? changed.columns[2].values : []).flatMap((value) => value?.split(' ') ?? []);
    const [typed, before] = [wordsOf(of('typos', 3)), wordsOf(table)];
    const sorted = (word: string | undefined): string =>
      Array.from(word ?? '')
        .toSorted()
        .join('');
    expect(typed.map(sorted)).toEqual(before.map(sorted));
    expect(typed.filter((word, place) => word !== before[place]).length).toBeGreaterThan(100);
    expect(wordsOf(of('dropped-words', 3)).filter((word) => word !== '').length / before.filter((word) => word !== '').length).toBeCloseTo(0.6, 1);
  });

  test('only what can happen to the columns is tried', () => {
    const kindsOf = (names: readonly string[]): string[] => [...new Set(recordPerturbations(table, names).map(({ kind }) => kind))];
    expect(kindsOf(['town'])).toEqual(['missing']);
    expect(kindsOf(['age'])).toEqual(['missing', 'jitter']);
    expect(kindsOf(['said'])).toEqual(['missing', 'typos', 'dropped-words']);
  });
});

const names = ['one', 'two', 'three'];
const network = (transposeFirst: boolean): Model =>
  defineModel('patches', 4, (nn) => {
    const planes = transposeFirst
      ? nn.multiply(
          nn.apply('Cast', [nn.apply('Transpose', [nn.input('image', 'uint8', [16, 16, 3])], { perm: ints([0, 3, 1, 2]) })], { to: int(1) }),
          nn.number(1 / 255),
        )
      : nn.image('image', 16, 16, 3);
    const features = nn.maxPool(nn.relu(nn.conv(planes, 6, { name: 'conv' })), 4);
    nn.output('probabilities', nn.softmax(nn.multiply(nn.dense(nn.flatten(features), 3, { name: 'last' }), nn.number(4))));
  });
const model = network(false);

let session: Session;
let labels: number[];
const probabilitiesOf = async ({ pixels }: Pictures): Promise<Float32Array> => {
  const size = pixels.length / frameBytesOf(shape);
  return (await session.run({ image: runtimeTensor('uint8', pixels, [size, 16, 16, 3]) }))['probabilities']?.data as Float32Array;
};
const judge = async (some: Pictures): Promise<Judged> => judgeClasses({ probabilities: await probabilitiesOf(some), labels, names });
/** Of the truth, in nats, mean over the pictures. */
const lossOf = async (some: Pictures): Promise<number> => {
  const probabilities = await probabilitiesOf(some);
  return labels.reduce((sum, label, row) => sum - Math.log(probabilities[row * 3 + label] ?? 0), 0) / labels.length;
};
const targets = (places: readonly number[]) =>
  classTargets(
    places.map((place) => labels[place] ?? 0),
    3,
  );

beforeAll(async () => {
  session = await openSession(writeModel(model));
  // What it says of the pictures as they are is taken for the truth.
  const probabilities = await probabilitiesOf(pictures);
  labels = Array.from({ length: count }, (_, row) =>
    [0, 1, 2].reduce((best, place) => ((probabilities[row * 3 + place] ?? 0) > (probabilities[row * 3 + best] ?? 0) ? place : best), 0),
  );
});
afterAll(() => session.release());

describe('the attack', () => {
  test('slopes are those of the loss, in the order of the pixels, wherever the graph turns them', async () => {
    const straight = await openInputGradient({ model, loss: classLoss(model), shape, batch: 2 });
    const turned = await openInputGradient({ model: network(true), loss: classLoss(network(true)), shape, batch: 2 });
    const two = pictures.pixels.slice(0, 2 * frameBytesOf(shape));
    const { loss, slopes } = await straight.run(two, targets([0, 1]));
    expect(slopes.length).toBe(two.length);
    const other = await turned.run(two, targets([0, 1]));
    other.slopes.forEach((slope, at) => expect(slope).toBeCloseTo(slopes[at] as number, 6));
    // The steepest pixel, moved by one: the loss changes by its slope.
    const steepest = slopes.reduce((best, slope, at) => (Math.abs(slope) > Math.abs(slopes[best] as number) ? at : best), 0);
    const moved = two.slice();
    moved[steepest] = (moved[steepest] as number) + 1;
    const after = await straight.run(moved, targets([0, 1]));
    expect((after.loss - loss) / (slopes[steepest] as number)).toBeCloseTo(1, 1);
    await straight.close();
    await turned.close();
  });

  test('it raises the loss more than noise of the same size, and more the further it goes', async () => {
    const losses = [await lossOf(pictures)];
    for (const attack of attackPerturbations({ model, loss: classLoss(model), targets, batch: 16 })) {
      const attacked = await attack.apply(pictures, context);
      losses.push(await lossOf(attacked));
      expect(attacked.pixels.every((value, at) => Math.abs(value - (pictures.pixels[at] as number)) <= 4)).toBe(true);
    }
    expect(losses).toEqual(losses.toSorted((a, b) => a - b));
    const random = seededRandom(2);
    const signs = Int8Array.from(pictures.pixels, () => (random.uniform() < 0.5 ? -1 : 1));
    expect(losses[3]).toBeGreaterThan(await lossOf({ shape, pixels: moveAlong(pictures.pixels, signs, 4) }));
    expect(isSame(moveAlong(pictures.pixels, signs, 0), pictures.pixels)).toBe(true);
    expect([...moveAlong(Uint8Array.of(0, 255, 7), Int8Array.of(-1, 1, 1), 3)]).toEqual([0, 255, 10]);
  });

  test('probabilities that come from no Softmax are asked themselves', async () => {
    const other = defineModel('yes', 1, (nn) => {
      const score = nn.sigmoid(nn.dense(nn.flatten(nn.image('image', 16, 16, 3)), 1));
      nn.output('probabilities', nn.concat([nn.subtract(nn.number(1), score), score], 1));
    });
    const gradient = await openInputGradient({ model: other, loss: classLoss(other), shape, batch: 1 });
    const { slopes } = await gradient.run(pictures.pixels.slice(0, frameBytesOf(shape)), classTargets([1], 2));
    expect(slopes.some((slope) => slope !== 0)).toBe(true);
    await gradient.close();
  });

  test('a model that has no slope says so', async () => {
    const steps = defineModel('steps', 1, (nn) => {
      const kept = nn.apply('Round', [nn.flatten(nn.image('image', 16, 16, 3))]);
      nn.output('probabilities', nn.softmax(nn.dense(kept, 3)));
    });
    await expect(openInputGradient({ model: steps, loss: classLoss(steps), shape, batch: 1 })).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    const wide = { ...shape, width: 20 };
    await expect(openInputGradient({ model, loss: classLoss(model), shape: wide, batch: 1 })).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
  });
});

describe('measuring', () => {
  const options = (more: Partial<RobustnessOptions<Pictures>> = {}): RobustnessOptions<Pictures> => ({
    examples: pictures,
    judge,
    perturbations: [...picturePerturbations(['darker', 'noise']), ...attackPerturbations({ model, loss: classLoss(model), targets })],
    random: seededRandom(1),
    repeats: 100,
    ...more,
  });

  test('each kind and severity has its figure and its paired drop, and the same seed gives the same', async () => {
    const told: number[] = [];
    const found = await measureRobustness(options({ onProgress: (fraction) => told.push(fraction) }));
    expect(found).toMatchObject({ metric: 'accuracy', better: 'higher', count, clean: { value: 1, low: 1, high: 1 }, left: [] });
    expect(found.perturbed.map(({ kind, severity }) => `${kind} ${severity}`)).toEqual(
      ['darker', 'noise', 'fgsm'].flatMap((kind) => severities.map((severity) => `${kind} ${severity}`)),
    );
    for (const { estimate, drop } of found.perturbed) {
      expect(drop?.value).toBeCloseTo(1 - (estimate?.value ?? 0), 12);
      expect(drop?.low).toBeLessThanOrEqual(drop?.value ?? 0);
      expect(drop?.high).toBeGreaterThanOrEqual(drop?.value ?? 0);
    }
    expect(found.perturbed.at(-1)?.drop?.low).toBeGreaterThan(0);
    expect(told).toEqual(told.toSorted((a, b) => a - b));
    expect(await measureRobustness(options())).toEqual(found);
  });

  test('what does nothing costs exactly nothing', async () => {
    const nothing: Perturbation<Pictures> = { kind: 'nothing', severity: 1, words: 'nothing', apply: async (some) => some };
    for (const metric of ['accuracy', 'logLoss'] as const) {
      const { perturbed } = await measureRobustness(options({ perturbations: [nothing], metric }));
      expect(perturbed[0]?.drop).toEqual({ value: 0, low: 0, high: 0 });
    }
  });

  test('a drop is above 0 where it gets worse, for metrics that fall as well', async () => {
    const { perturbed, better } = await measureRobustness(options({ metric: 'logLoss' }));
    expect(better).toBe('lower');
    expect(perturbed.at(-1)?.drop?.low).toBeGreaterThan(0);
  });

  test('what cannot be done, and what there was no time for, is said', async () => {
    const refused: Perturbation<Pictures> = {
      ...(picturePerturbations(['jpeg'])[0] as Perturbation<Pictures>),
      apply: () => Promise.reject(new SerinError('MODEL_UNSUPPORTED', { detail: 'no slope' })),
    };
    let at = 0;
    const found = await measureRobustness(options({ perturbations: [refused, ...picturePerturbations(['darker'])], timeMsMax: 30, now: () => (at += 10) }));
    expect(found.perturbed.map(({ severity }) => severity)).toEqual([1]);
    expect(found.left).toEqual([
      { kind: 'jpeg', severity: 1, why: 'MODEL_UNSUPPORTED: no slope' },
      ...([2, 3] as const).map((severity) => ({ kind: 'darker', severity, why: 'the time for this, 0 s, was over' })),
    ]);
    const fault: Perturbation<Pictures> = { ...refused, apply: () => Promise.reject(new TypeError('a fault')) };
    await expect(measureRobustness(options({ perturbations: [fault] }))).rejects.toThrow('a fault');
  });

  test('it can be cancelled', async () => {
    const cancel = new AbortController();
    const stopping = measureRobustness(options({ signal: cancel.signal, onProgress: (fraction) => fraction > 0.2 && cancel.abort() }));
    await expect(stopping).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test('a draw of examples is in order, without doubles, and of all where they are few', () => {
    expect([...drawExamples(5, 10, seededRandom(1))]).toEqual([0, 1, 2, 3, 4]);
    const drawn = [...drawExamples(1000, 100, seededRandom(1))];
    expect(new Set(drawn).size).toBe(100);
    expect(drawn).toEqual(drawn.toSorted((a, b) => a - b));
    expect(drawn).toEqual([...drawExamples(1000, 100, seededRandom(1))]);
    expect(drawn).not.toEqual([...drawExamples(1000, 100, seededRandom(2))]);
  });
});
