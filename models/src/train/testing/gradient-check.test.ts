import { expect, test } from 'vitest';

import { checkGradient } from './gradient-check.ts';

test('a gradient that differences confirm passes', async () => {
  await checkGradient((tape, input) => tape.add('Mul', [input([2, 3]), input([3])]), { seed: 1 });
  await checkGradient((tape, input) => tape.add('Mul', [input([2, 3]), input([3])]), { seed: 1, type: 'float32' });
});

test('a gradient that is wrong in one element is found and the element named', async () => {
  // At the kink of Relu the rule says 0, a difference one half.
  const check = checkGradient((tape, input) => tape.add('Relu', [input([3], () => [1, 0, -1])]), { seed: 1 });
  await expect(check).rejects.toThrow(/the gradient of x0 \[3\] .*; \[1\] is 0, differences say/);
});
