import { expect, test } from 'vitest';

import { floats, int, type Node } from '../onnx/graph.ts';
import { differentiate } from './autodiff.ts';
import { createTape, type Tape } from './tape.ts';
import { awayFromZero, checkGradient } from './testing/gradient-check.ts';

const sum = (tape: Tape, value: string, name = 'loss'): string => tape.add('ReduceSum', [value], { keepdims: int(0) }, name);
const operatorsAfter = (tape: Tape, count: number): string[] => tape.nodes.slice(count).map(({ operator }) => operator);
const foreign = (operator: string, inputs: readonly string[], output: string): Node => ({
  operator,
  domain: '',
  name: `block3/${output}`,
  inputs,
  outputs: [output],
  attributes: {},
});

test('an operator without a gradient rule names itself and the way from the weight to the loss', () => {
  const tape = createTape('no rule');
  const weight = tape.input('conv1.weight', 'float32', [2, 2]);
  const c1 = tape.add('MatMul', [tape.input('x', 'float32', [2, 2]), weight], {}, 'c1');
  const depth = tape.constant({ type: 'int64', dims: [], data: BigInt64Array.of(2n) });
  tape.append(
    foreign(
      'OneHot',
      [
        tape.input('labels', 'int64', [2]),
        depth,
        tape.add('Reshape', [tape.add('ReduceSum', [c1, tape.longs([1])], { keepdims: int(0) }, 'rows'), tape.longs([2])], {}, 'pair'),
      ],
      'foo',
    ),
  );
  const loss = sum(tape, tape.add('Relu', ['foo'], {}, 'act'));
  expect(() => differentiate(tape, loss, [weight])).toThrow(
    'operator OneHot (node "block3/foo") has no gradient rule; it lies between the weight conv1.weight and the loss: ' +
      'conv1.weight -> MatMul c1 -> ReduceSum rows -> Reshape pair -> OneHot block3/foo -> Relu act -> ReduceSum loss -> loss',
  );
});

test('the way through a deep network is shortened round the operator', () => {
  const tape = createTape('deep');
  let value = tape.input('w', 'float32', [2]);
  for (let layer = 0; layer < 30; layer += 1) value = tape.add('Relu', [value], {}, `r${layer}`);
  const depth = tape.constant({ type: 'int64', dims: [], data: BigInt64Array.of(2n) });
  tape.append(foreign('OneHot', [tape.input('labels', 'int64', [2]), depth, value], 'foo'));
  const loss = sum(tape, 'foo');
  expect(() => differentiate(tape, loss, ['w'])).toThrow(/: w -> \.\.\. -> Relu r24 -> .* -> Relu r29 -> OneHot block3\/foo -> ReduceSum loss -> loss$/);
});

test('what the loss does not depend on is not visited: its operators need no rule and cost nothing', () => {
  const tape = createTape('beside');
  const w = tape.input('w', 'float32', [3]);
  const hidden = tape.add('Tanh', [w]);
  tape.addMany('TopK', [hidden, tape.longs([1])], {}, 2);
  tape.append(
    foreign('OneHot', [tape.input('labels', 'int64', [2]), tape.longs([2]), tape.add('Slice', [hidden, tape.longs([0]), tape.longs([2])])], 'beside'),
  );
  const loss = sum(tape, hidden);
  const before = tape.nodes.length;
  differentiate(tape, loss, [w]);
  expect(operatorsAfter(tape, before)).toEqual(['Expand', 'Mul', 'Sub', 'Mul']);
});

test('a value used many times has the sum of all gradients', async () => {
  await checkGradient(
    (tape, input) => {
      const x = input([3], awayFromZero);
      const parts = ['Tanh', 'Exp', 'Abs', 'Relu'].map((operator) => tape.add(operator, [x]));
      return parts.reduce((left, right) => tape.add('Mul', [left, right]));
    },
    { seed: 1 },
  );
});

test('a gradient passes through outputs of which some are unused, and through inputs that share a value', async () => {
  await checkGradient(
    (tape, input) => {
      const parts = tape.addMany('Split', [input([6])], {}, 3);
      return tape.add('Mul', [parts[2] ?? '', parts[2] ?? '']);
    },
    { seed: 1 },
  );
});

test('the gradient of a weight in the middle of the graph is that of what follows it', () => {
  const tape = createTape('middle');
  const [a = '', b = ''] = tape.addMany('Split', [tape.input('weights', 'float32', [4])], {}, 2);
  const loss = sum(tape, tape.add('Mul', [a, b]));
  const gradients = differentiate(tape, loss, [a, b]);
  expect([...gradients.keys()]).toEqual([a, b]);
  expect(tape.nodes.filter(({ operator }) => operator === 'Concat')).toEqual([]);
});

test('nothing flows back through whole numbers and truth values', () => {
  const tape = createTape('whole');
  const w = tape.input('w', 'float32', [3]);
  const mask = tape.add('Greater', [w, tape.number(0, w)]);
  const loss = sum(tape, tape.add('Where', [mask, tape.constant(floats([3], [1, 2, 3])), tape.number(0, w)]));
  expect(() => differentiate(tape, loss, [w])).toThrow('the loss does not depend on w, or only through steps without a slope');
});

test('a loss that is not one number is refused', () => {
  const tape = createTape('vector');
  const w = tape.input('w', 'float32', [2, 3]);
  expect(() => differentiate(tape, tape.add('Tanh', [w], {}, 'y'), [w])).toThrow('the loss y has the shape [2, 3], expected one number');
});
