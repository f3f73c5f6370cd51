import fc from 'fast-check';
import { expect, test } from 'vitest';

import { minimise, type Objective } from './minimise.ts';

interface Axis {
  readonly at: number;
  readonly steep: number;
}

const bowlOf =
  (axes: readonly Axis[]): Objective =>
  (point, gradient) =>
    axes.reduce((sum, { at, steep }, axis) => {
      const away = (point[axis] as number) - at;
      gradient[axis] = steep * away;
      return sum + (steep / 2) * away * away;
    }, 0);

test.each([
  ['the gradient has become short', { gradientShare: 1e-9 }],
  ['no part of the gradient is large', { gradientMax: 1e-7 }],
])('the bottom of any bowl is found, however stretched, once %s', async (_, enough) => {
  const axis = fc.record({ at: fc.double({ min: -10, max: 10, noNaN: true }), steep: fc.double({ min: 0.01, max: 100, noNaN: true }) });
  await fc.assert(
    fc.asyncProperty(fc.array(axis, { minLength: 1, maxLength: 8 }), async (axes) => {
      const point = new Float64Array(axes.length);
      const found = await minimise(bowlOf(axes), point, { roundsMax: 500, ...enough });
      expect(found.value).toBeLessThan(1e-6);
      axes.forEach(({ at }, place) => expect(Math.abs((point[place] as number) - at)).toBeLessThan('gradientMax' in enough ? 1e-4 : 1e-2));
    }),
  );
});

test('who says how curved each variable is has far fewer rounds, and the same bottom', async () => {
  const axes = Array.from({ length: 40 }, (_, place) => ({ at: place % 7, steep: 10 ** (-2 + (place * 4) / 39) }));
  const [plain, told] = [new Float64Array(40), new Float64Array(40)];
  const slow = await minimise(bowlOf(axes), plain, { roundsMax: 2000, gradientMax: 1e-6 });
  const fast = await minimise(bowlOf(axes), told, { roundsMax: 2000, gradientMax: 1e-6, curvature: Float64Array.from(axes, ({ steep }) => steep) });
  expect([slow.converged, fast.converged]).toEqual([true, true]);
  expect(fast.rounds).toBeLessThan(slow.rounds / 4);
  axes.forEach(({ at }, place) => expect(told[place]).toBeCloseTo(at, 4));
});

test('the valley of Rosenbrock is followed to its end', async () => {
  const point = Float64Array.of(-1.2, 1);
  await minimise(
    ([x = 0, y = 0], gradient) => {
      gradient[0] = -400 * x * (y - x * x) - 2 * (1 - x);
      gradient[1] = 200 * (y - x * x);
      return 100 * (y - x * x) ** 2 + (1 - x) ** 2;
    },
    point,
    { roundsMax: 200, gradientShare: 1e-10 },
  );
  expect(point[0]).toBeCloseTo(1, 5);
  expect(point[1]).toBeCloseTo(1, 5);
});
