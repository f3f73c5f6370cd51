import fc from 'fast-check';
import { expect, test } from 'vitest';

import { createGraphBuilder } from './builder.ts';
import { checkModel, findFaults, modelLimits } from './check.ts';
import { createModel, floats, int, ints, longs, text, type Attribute, type Graph, type Model, type Node } from './graph.ts';

const node = (operator: string, inputs: string[], outputs: string[], attributes: Record<string, Attribute> = {}, domain = ''): Node => ({
  operator,
  domain,
  name: operator === '' ? '' : `the ${operator}`,
  inputs,
  outputs,
  attributes,
});

const unnamed = (operator: string, inputs: string[], outputs: string[]): Node => ({ ...node(operator, inputs, outputs), name: '' });

function modelOf(nodes: Node[], edit: Partial<Graph> = {}): Model {
  const value = { type: 'float32', dims: [2] } as const;
  return createModel({
    name: 'g',
    inputs: [{ name: 'x', ...value }],
    outputs: [{ name: 'y', ...value }],
    nodes,
    initialisers: new Map([['w', floats([2], [1, 2])]]),
    ...edit,
  });
}

const details = (model: Model): string =>
  findFaults(model)
    .map(({ detail }) => detail)
    .join('\n');
const add = node('Add', ['x', 'w'], ['y']);
const branch = (nodes: Node[], output: string): Attribute => ({
  kind: 'graph',
  value: { name: 'inner', inputs: [], outputs: [{ name: output, type: 'float32', dims: [2] }], nodes, initialisers: new Map() },
});

test('a sound model has no faults and is returned as it is', () => {
  const model = modelOf([add]);
  expect(findFaults(model)).toEqual([]);
  expect(checkModel(model)).toBe(model);
});

test('each fault of a graph is reported with the node and what is wrong with it', () => {
  const cases: [what: string, model: Model, words: string][] = [
    ['input of nobody', modelOf([node('Add', ['x', 'ghost'], ['y'])]), 'Add the Add: nothing defines its input ghost'],
    ['output of nobody', modelOf([node('Add', ['x', 'w'], ['z'])]), 'nothing defines the output y'],
    ['no output', modelOf([add], { outputs: [] }), 'no outputs'],
    [
      'output twice',
      modelOf([add], {
        outputs: [
          { name: 'y', type: 'float32', dims: [] },
          { name: 'y', type: 'float32', dims: [] },
        ],
      }),
      'listed twice',
    ],
    ['value twice', modelOf([add, node('Relu', ['x'], ['y'])]), 'output of Relu the Relu, y has a name that is taken'],
    [
      'weight over input',
      modelOf([add], {
        initialisers: new Map([
          ['x', floats([], [1])],
          ['w', floats([], [1])],
        ]),
      }),
      'weight x has a name that is taken',
    ],
    [
      'input without a name',
      modelOf([add], {
        inputs: [
          { name: 'x', type: 'float32', dims: [] },
          { name: '', type: 'float32', dims: [] },
        ],
      }),
      'input has no name',
    ],
    ['self', modelOf([node('Add', ['y', 'x'], ['y'])]), 'cycle'],
    ['cycle', modelOf([node('Add', ['b', 'x'], ['a']), node('Relu', ['a'], ['b']), node('Relu', ['b'], ['y'])]), 'cycle'],
    ['cycle through a branch', modelOf([node('If', ['x'], ['y'], { then_branch: branch([node('Relu', ['y'], ['i'])], 'i') })]), 'cycle'],
    [
      'ghost in a branch',
      modelOf([node('If', ['x'], ['y'], { then_branch: branch([node('Relu', ['ghost'], ['i'])], 'i') })]),
      'Relu the Relu: nothing defines',
    ],
    ['shadow in a branch', modelOf([node('If', ['x'], ['y'], { then_branch: branch([node('Relu', ['x'], ['w'])], 'w') })]), 'w has a name that is taken'],
    ['no operator', modelOf([node('', ['x'], ['y'])]), 'no operator'],
    ['a name of the language', modelOf([node('constructor', ['x'], ['y'])]), 'no operator'],
    ['foreign domain', modelOf([node('Magic', ['x'], ['y'], {}, 'acme.ops')]), 'acme.ops'],
    ['domain without version', modelOf([node('Gelu', ['x'], ['y'], {}, 'com.microsoft')]), 'no version of the operator set com.microsoft'],
    ['old opset', { ...modelOf([add]), opsets: { '': 6 } }, 'version 6'],
    ['new opset', { ...modelOf([add]), opsets: { '': 99 } }, 'version 99'],
    ['stride 0', modelOf([node('Conv', ['x', 'w'], ['y'], { strides: ints([1, 0]) })]), 'Conv the Conv: attribute strides must be'],
    ['dilation of 2^40', modelOf([node('Conv', ['x', 'w'], ['y'], { dilations: ints([2 ** 40]) })]), 'dilations'],
    ['group 0', modelOf([node('Conv', ['x', 'w'], ['y'], { group: int(0) })]), 'group'],
    ['axis as a text', modelOf([node('Concat', ['x'], ['y'], { axis: text('first') })]), 'must be of kind int, not string'],
    ['axis far away', modelOf([node('Concat', ['x'], ['y'], { axis: int(1000) })]), 'names no dimension'],
    ['perm twice', modelOf([node('Transpose', ['x'], ['y'], { perm: ints([0, 0]) })]), 'twice'],
    ['perm beyond', modelOf([node('Transpose', ['x'], ['y'], { perm: ints([0, 2]) })]), 'not there'],
    ['cast to nothing', modelOf([node('Cast', ['x'], ['y'], { to: int(0) })]), 'no element type'],
    ['endless pads', modelOf([node('Pad', ['x'], ['y'], { pads: ints(Array.from({ length: 1000 }, () => 1)) })]), 'lists 1000 numbers'],
    ['huge input', modelOf([add], { inputs: [{ name: 'x', type: 'float32', dims: ['N', 2 ** 20, 2 ** 20] }] }), 'more than'],
    ['rank of 1000', modelOf([add], { inputs: [{ name: 'x', type: 'float32', dims: Array.from({ length: 1000 }, () => 1) }] }), '1000 dimensions'],
    ['huge constant', modelOf([node('ConstantOfShape', ['w'], ['y'])], { initialisers: new Map([['w', longs([2 ** 20, 2 ** 20])]]) }), 'ConstantOfShape'],
    [
      'huge expansion',
      modelOf([node('Constant', [], ['s'], { value: { kind: 'tensor', value: longs([2 ** 40]) } }), node('Expand', ['x', 's'], ['y'])]),
      'Expand',
    ],
  ];
  for (const [what, model, words] of cases) {
    expect(details(model), what).toContain(words);
    expect(() => checkModel(model), what).toThrow(/^The (file is not|model uses)/);
  }
});

test('the first fault is thrown and the others are counted', () => {
  const model = modelOf([node('Add', ['a', 'b'], ['c']), node('Relu', ['d'], ['e'])]);
  expect(() => checkModel(model)).toThrow('Add the Add: nothing defines its input a, b (and 2 more)');
});

test('more nodes than the limit are not even looked at', () => {
  expect(() => checkModel(modelOf([add, node('Relu', ['y'], ['z'])]), { ...modelLimits, nodesMax: 1 })).toThrow('2 nodes');
});

test('nodes in any order are brought into one they can run in, and cycles are always found', () => {
  const graphs = fc.integer({ min: 1, max: 12 }).chain((count) =>
    fc.tuple(
      fc.array(fc.tuple(fc.nat(count), fc.nat(count)), { minLength: count, maxLength: count }),
      fc.shuffledSubarray(
        Array.from({ length: count }, (_, index) => index),
        { minLength: count, maxLength: count },
      ),
      fc.boolean(),
    ),
  );
  fc.assert(
    fc.property(graphs, ([reads, order, loops]) => {
      // Node i makes value i + 1 from values before it; value 0 is the input. A loop is one more read, of the last value by the first node.
      const builder = createGraphBuilder('g');
      builder.input('0', 'float32', [1]);
      const last = String(reads.length);
      const nodes = reads.map(([a, b], index) => {
        const inputs = [String(index), String(Math.min(a, index)), String(Math.min(b, index))];
        return unnamed('Sum', index === 0 && loops ? [...inputs, last] : inputs, [String(index + 1)]);
      });
      for (const index of order) builder.append(nodes[index] as Node);
      builder.output(last, 'float32', [1]);
      const model = createModel(builder.finish());
      if (loops) {
        expect(details(model)).toContain('cycle');
        return;
      }
      const sorted = checkModel(model);
      expect(sorted.graph.nodes.map(({ outputs }) => outputs[0])).toEqual(nodes.map(({ outputs }) => outputs[0]));
    }),
  );
});
