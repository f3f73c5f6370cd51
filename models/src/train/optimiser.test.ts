import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { floats, type Model } from '../onnx/graph.ts';
import { defineModel } from './layers.ts';
import type { Loss } from './losses.ts';
import { adam, sgd, type AdamSettings, type Optimiser, type SgdSettings } from './optimiser.ts';
import { averagingShare, constantRate, warmUpCosine } from './schedule.ts';
import { openTrainer } from './trainer.ts';

const [rows, columns] = [3, 2];

/** A model of a matrix and a vector, and a loss whose gradient is what the batch says it is. */
const model: Model = defineModel('two weights', 3, (nn) => {
  nn.output('y', nn.dense(nn.input('x', 'float32', [columns]), rows, { name: 'layer' }));
});
const trainable = ['layer.weight', 'layer.bias'];
const dictated: Loss = ({ tape, target }) => {
  const terms = trainable.map((name, index) => {
    const { type, dims } = tape.type(name);
    return tape.add('ReduceSum', [tape.add('Mul', [name, target(`gradient${index}`, type, dims)])], { keepdims: { kind: 'int', value: 0 } });
  });
  return tape.add('Add', terms);
};

interface Step {
  readonly gradient: readonly number[];
  readonly rate: number;
}
const count = rows * columns + rows;
const start = trainable.flatMap((name) => Array.from(model.graph.initialisers.get(name)?.data as Float32Array));
const isMatrix = (index: number): boolean => index < rows * columns;

async function run(optimiser: Optimiser, steps: readonly Step[], settings: { clipNorm?: number; averaging?: number } = {}) {
  const { averaging, ...others } = settings;
  const trainer = await openTrainer({ model, loss: dictated, trainable, dimensions: { N: 1 }, optimiser, averaged: averaging !== undefined, ...others });
  try {
    const norms: number[] = [];
    for (const [index, { gradient, rate }] of steps.entries()) {
      const targets = {
        gradient0: floats([rows, columns], gradient.slice(0, rows * columns)),
        gradient1: floats([rows], gradient.slice(rows * columns)),
      };
      const share = averaging === undefined ? 1 : averagingShare(averaging, index + 1);
      const { values } = await trainer.step({ feeds: {}, targets }, { rate, correction: optimiser.correction(index + 1), averaging: share });
      norms.push(values['gradientNorm'] ?? Number.NaN);
    }
    return { state: trainer.state(), norms };
  } finally {
    await trainer.close();
  }
}

const stepsFrom = (seed: number, length: number, size = 1): Step[] => {
  const random = seededRandom(seed);
  return Array.from({ length }, (_, index) => ({
    gradient: Array.from({ length: count }, () => Math.fround(size * random.normal() * 10 ** random.between(-3, 1))),
    rate: Math.fround(0.05 * warmUpCosine()(index + 1, length)),
  }));
};

const expectNear = (found: Float32Array | undefined, expected: readonly number[]): void => {
  expect(found).toHaveLength(expected.length);
  expected.forEach((value, index) => expect(Math.abs((found?.[index] ?? Number.NaN) - value)).toBeLessThan(2e-4 * (1 + Math.abs(value))));
};

/** Textbook Adam with the bias corrections on the moments (Kingma and Ba, algorithm 1), decay as in AdamW. */
function scalarAdam(steps: readonly Step[], { beta1 = 0.9, beta2 = 0.999, decay = 0 }: AdamSettings): number[] {
  return start.map((weight, index) => {
    let [w, m, v] = [weight, 0, 0];
    steps.forEach(({ gradient, rate }, done) => {
      const g = gradient[index] ?? 0;
      m = beta1 * m + (1 - beta1) * g;
      v = beta2 * v + (1 - beta2) * g * g;
      const [mHat, vHat] = [m / (1 - beta1 ** (done + 1)), v / (1 - beta2 ** (done + 1))];
      if (isMatrix(index)) w -= rate * decay * w;
      w -= (rate * mHat) / (Math.sqrt(vHat) + 1e-12);
    });
    return w;
  });
}

function scalarSgd(steps: readonly Step[], { momentum = 0.9, nesterov = false, decay = 0 }: SgdSettings): number[] {
  return start.map((weight, index) => {
    let [w, v] = [weight, 0];
    for (const { gradient, rate } of steps) {
      const g = gradient[index] ?? 0;
      v = momentum * v + g;
      if (isMatrix(index)) w -= rate * decay * w;
      w -= rate * (nesterov ? g + momentum * v : v);
    }
    return w;
  });
}

const runs = { numRuns: 15 };

describe('over many steps the vector of all weights goes where each weight alone would go', () => {
  test('by Adam, with and without decay', () =>
    fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 60 }), fc.constantFrom(0, 0.1), fc.constantFrom(0, 0.9), async (seed, length, decay, beta1) => {
        const steps = stepsFrom(seed, length);
        const { state } = await run(adam({ decay, beta1, epsilon: 1e-12 }), steps);
        expectNear(state['weights'], scalarAdam(steps, { decay, beta1 }));
      }),
      runs,
    ));

  test('by gradient descent with momentum, plain or Nesterov', () =>
    fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.integer({ min: 1, max: 60 }),
        fc.record({ momentum: fc.constantFrom(0, 0.5, 0.9), nesterov: fc.boolean(), decay: fc.constantFrom(0, 0.1) }),
        async (seed, length, settings) => {
          const steps = stepsFrom(seed, length);
          expectNear((await run(sgd(settings), steps)).state['weights'], scalarSgd(steps, settings));
        },
      ),
      runs,
    ));
});

test('a weight decays when it is a matrix, a bias does not', async () => {
  const still = [{ gradient: Array.from({ length: count }, () => 0), rate: 0.5 }];
  const { state } = await run(sgd({ decay: 0.1 }), still);
  expectNear(
    state['weights'],
    start.map((weight, index) => (isMatrix(index) ? weight * (1 - 0.5 * 0.1) : weight)),
  );
});

test('a gradient longer than the limit is shortened to it, a shorter one is left alone', () =>
  fc.assert(
    fc.asyncProperty(fc.nat(), fc.constantFrom(1e-3, 1, 1e3), async (seed, size) => {
      const limit = 0.7;
      const [step] = stepsFrom(seed, 1, size);
      const gradient = step?.gradient ?? [];
      const norm = Math.hypot(...gradient);
      const { state, norms } = await run(sgd({ momentum: 0 }), [{ gradient, rate: 1 }], { clipNorm: limit });
      expect(norms[0]).toBeCloseTo(norm, 3 - Math.ceil(Math.log10(1 + norm)));
      expectNear(
        state['weights'],
        start.map((weight, index) => weight - (gradient[index] ?? 0) * Math.min(1, limit / norm)),
      );
    }),
    runs,
  ));

test('the average of the weights looks back less far while it is young', async () => {
  const steps = stepsFrom(5, 50);
  let expected = start;
  for (let done = 1; done <= steps.length; done += 1) {
    const now = scalarSgd(steps.slice(0, done), {});
    const kept = Math.min(0.9, done / (9 + done));
    expected = expected.map((value, index) => kept * value + (1 - kept) * (now[index] ?? 0));
  }
  expectNear((await run(sgd(), steps, { averaging: 0.9 })).state['weights.average'], expected);
});

test('the learning rate rises, peaks and ends near zero', () => {
  const rates = Array.from({ length: 100 }, (_, index) => warmUpCosine()(index + 1, 100));
  expect(rates[0]).toBeCloseTo(0.2);
  expect(Math.max(...rates)).toBe(1);
  expect(rates.at(-1)).toBeCloseTo(0);
});

test('whatever the number of steps, the rate stays between its floor and 1 and falls once it has risen', () =>
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 500 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 0.5, noNaN: true }),
      (steps, warmUp, floor) => {
        const rates = Array.from({ length: steps }, (_, index) => warmUpCosine({ warmUp, floor })(index + 1, steps));
        const top = rates.indexOf(Math.max(...rates));
        expect(rates.every((rate) => rate > 0 || floor === 0)).toBe(true);
        expect(Math.max(...rates)).toBeLessThanOrEqual(1);
        expect(rates.slice(top).every((rate, index, falling) => index === 0 || rate <= (falling[index - 1] ?? 0))).toBe(true);
        expect(constantRate(steps, steps)).toBe(1);
      },
    ),
  ));
