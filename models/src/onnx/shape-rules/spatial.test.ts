import fc from 'fast-check';
import { expect, test } from 'vitest';

import { createTape, type Tape } from '../../train/tape.ts';
import { createModel, elementCount, floats, int, ints, text, type Attribute } from '../graph.ts';
import { writeModel } from '../model-file.ts';
import { openSession, runtimeTensor } from '../session.ts';

interface Case {
  readonly dims: readonly (readonly number[])[];
  readonly attributes: Record<string, Attribute>;
  /** Constant inputs after those of `dims`. */
  readonly constants?: (tape: Tape) => string[];
  readonly outputs?: number;
}

/** What the rule says must be what the runtime makes. */
async function compare(operator: string, { dims, attributes, constants, outputs = 1 }: Case, opset: number): Promise<void> {
  const tape = createTape('shapes', opset);
  const inputs = dims.map((shape, index) => tape.input(`x${index}`, 'float32', shape));
  const names = tape.addMany(operator, [...inputs, ...(constants?.(tape) ?? [])], attributes, outputs);
  for (const name of names) tape.output(name);
  const session = await openSession(writeModel({ ...createModel(tape.finish()), opsets: { '': opset } }));
  try {
    const feeds = inputs.map((name, index) => [name, runtimeTensor('float32', new Float32Array(elementCount(dims[index] ?? [])), dims[index] ?? [])]);
    const made = await session.run(Object.fromEntries(feeds));
    for (const name of names) expect([made[name]?.type, ...(made[name]?.dims ?? [])]).toEqual([tape.type(name).type, ...tape.type(name).dims]);
  } finally {
    await session.release();
  }
}

const check = (operator: string, cases: fc.Arbitrary<Case>, opset = 17) =>
  fc.assert(
    fc.asyncProperty(cases, (one) => compare(operator, one, opset)),
    { numRuns: 60 },
  );

const list = (min: number, max: number, length: number) => fc.array(fc.integer({ min, max }), { minLength: length, maxLength: length });

/** Kernel, strides, dilations and pads of one or two axes. */
const windows = (dilated: boolean, padsFrom: (kernel: number) => number) =>
  fc
    .integer({ min: 1, max: 2 })
    .chain((axes) =>
      fc.record({
        spatial: list(5, 11, axes),
        kernel: list(1, 3, axes),
        strides: list(1, 3, axes),
        dilations: list(1, dilated ? 2 : 1, axes),
        pads: list(0, 2, 2 * axes),
        automatic: fc.constantFrom('NOTSET', 'NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER'),
      }),
    )
    .map((window) => ({
      ...window,
      dilations: window.automatic.startsWith('SAME') ? window.dilations.map(() => 1) : window.dilations,
      pads: window.automatic === 'NOTSET' ? window.pads.map((pad, index) => Math.min(pad, padsFrom(window.kernel[index % window.kernel.length] ?? 1))) : [],
    }));
type Window = typeof windows extends (...rest: never[]) => fc.Arbitrary<infer Value> ? Value : never;

const slides = ({ strides, dilations, pads, automatic }: Window, dilated: boolean): Record<string, Attribute> => ({
  strides: ints(strides),
  ...(dilated ? { dilations: ints(dilations) } : {}),
  ...(automatic === 'NOTSET' ? { pads: ints(pads) } : { auto_pad: text(automatic) }),
});

/** Whether rounding up adds a window that starts behind the input and its front pads. */
const lastBehind = ({ spatial, kernel, strides, dilations, pads, automatic }: Window, dilated: boolean): boolean =>
  automatic === 'NOTSET' &&
  spatial.some((size, axis) => {
    const [stride = 1, front = 0, back = 0] = [strides[axis], pads[axis], pads[axis + kernel.length]];
    const reach = ((kernel[axis] ?? 1) - 1) * (dilated ? (dilations[axis] ?? 1) : 1) + 1;
    return Math.ceil((size + front + back - reach) / stride) * stride >= size + front;
  });

const pools = (dilated: boolean, outputs = 1): fc.Arbitrary<Case> =>
  fc
    .tuple(
      windows(dilated, (kernel) => kernel - 1),
      fc.boolean(),
    )
    .filter(([window, up]) => !up || !lastBehind(window, dilated))
    // Automatic pads of windows with gaps between them are below zero in the runtime.
    .filter(([{ automatic, kernel, strides }]) => !automatic.startsWith('SAME') || kernel.every((size, axis) => size >= (strides[axis] ?? 1)))
    .map(([window, up]) => ({
      dims: [[2, 3, ...window.spatial]],
      attributes: {
        ...slides(window, dilated),
        kernel_shape: ints(window.kernel),
        ...(window.automatic === 'NOTSET' ? { ceil_mode: int(up ? 1 : 0) } : {}),
      },
      outputs,
    }));

test('convolutions have the shape the runtime makes', async () => {
  const cases = fc
    .tuple(
      windows(true, () => 2),
      fc.integer({ min: 1, max: 2 }),
    )
    .map(([window, group]) => ({
      dims: [
        [2, 2 * group, ...window.spatial],
        [3 * group, 2, ...window.kernel],
      ],
      attributes: { ...slides(window, true), group: int(group) },
    }));
  await check('Conv', cases);
});

test('transposed convolutions have the shape the runtime makes', async () => {
  const cases = fc
    .tuple(
      windows(true, (kernel) => kernel - 1),
      fc.integer({ min: 1, max: 2 }),
      fc.boolean(),
    )
    .filter(([{ automatic }]) => automatic === 'NOTSET')
    .map(([window, group, extra]) => ({
      dims: [
        [2, 2 * group, ...window.spatial],
        [2 * group, 3, ...window.kernel],
      ],
      attributes: { ...slides(window, true), group: int(group), ...(extra ? { output_padding: ints(window.strides.map((stride) => stride - 1)) } : {}) },
    }));
  await check('ConvTranspose', cases);
});

test('pools have the shape the runtime makes, with rounding up and the places of the maxima', async () => {
  await check('MaxPool', pools(true, 2));
  await check('AveragePool', pools(false));
  await check('AveragePool', pools(true), 19);
  await check('LpPool', pools(true), 18);
});

test('global pools and normalisations have the shape the runtime makes', async () => {
  const dims = fc.integer({ min: 1, max: 2 }).chain((axes) => list(1, 4, axes + 2));
  for (const operator of ['GlobalAveragePool', 'GlobalMaxPool', 'GlobalLpPool']) {
    await check(
      operator,
      dims.map((shape) => ({ dims: [shape], attributes: {} })),
    );
  }
  await check(
    'InstanceNormalization',
    dims.map((shape) => ({ dims: [shape, [shape[1] ?? 1], [shape[1] ?? 1]], attributes: {} })),
  );
  await check(
    'LRN',
    dims.filter((shape) => shape.length === 4).map((shape) => ({ dims: [shape], attributes: { size: int(3) } })),
  );
  const channelled = fc.tuple(dims, fc.boolean()).map(([shape, training]) => ({
    dims: [shape, ...Array.from({ length: 4 }, () => [shape[1] ?? 1])],
    attributes: { training_mode: int(training ? 1 : 0) },
    outputs: training ? 3 : 1,
  }));
  await check('BatchNormalization', channelled);
  const layered = fc.tuple(dims, fc.integer({ min: -3, max: 2 })).map(([shape, axis]) => ({
    dims: [shape, shape.slice(axis)],
    attributes: { axis: int(axis) },
    outputs: 3,
  }));
  await check('LayerNormalization', layered);
});

test('a resize has the shape the runtime makes, by scales and by sizes', async () => {
  const cases = fc
    .record({
      spatial: list(1, 9, 2),
      sizes: list(1, 12, 2),
      scales: fc.array(fc.double({ min: 0.3, max: 3.5, noNaN: true }), { minLength: 2, maxLength: 2 }),
      bySize: fc.boolean(),
    })
    .filter(({ spatial, scales, bySize }) => bySize || spatial.every((size, axis) => size * (scales[axis] ?? 1) >= 1.1))
    .map(({ spatial, sizes, scales, bySize }) => ({
      dims: [[2, 3, ...spatial]],
      attributes: { mode: text('nearest'), coordinate_transformation_mode: text('asymmetric'), nearest_mode: text('floor') },
      constants: (tape: Tape) => (bySize ? ['', '', tape.longs([2, 3, ...sizes])] : ['', tape.constant(floats([4], [1, 1, ...scales]))]),
    }));
  await check('Resize', cases);
  const chosen = list(1, 12, 2).map((sizes) => ({
    dims: [[2, 3, 4, 5]],
    attributes: { mode: text('linear'), axes: ints([-2, 3]) },
    constants: (tape: Tape) => ['', '', tape.longs(sizes)],
  }));
  await check('Resize', chosen, 18);
});

test('the maxima go back to where they came from in a tensor of a given or reckoned size', async () => {
  const pooled = (tape: Tape) => tape.addMany('MaxPool', [tape.input('x', 'float32', [1, 1, 4, 6])], { kernel_shape: ints([2, 3]), strides: ints([2, 3]) }, 2);
  const attributes = { kernel_shape: ints([2, 3]), strides: ints([2, 3]) };
  const tape = createTape('unpool');
  const [values = '', places = ''] = pooled(tape);
  expect(tape.type(tape.add('MaxUnpool', [values, places], attributes)).dims).toEqual([1, 1, 4, 6]);
  expect(tape.type(tape.add('MaxUnpool', [values, places, tape.longs([1, 1, 5, 7])], attributes)).dims).toEqual([1, 1, 5, 7]);
});

const refusal = (operator: string, dims: readonly (readonly number[])[], attributes: Record<string, Attribute>, rest: (tape: Tape) => string[] = () => []) => {
  const tape = createTape('refused');
  const inputs = dims.map((shape, index) => tape.input(`x${index}`, 'float32', shape));
  return () => tape.add(operator, [...inputs, ...rest(tape)], attributes, 'layer7');
};

test('what is not supported is refused with the node, the attribute and a way out', () => {
  const unsupported = (run: () => unknown, ...words: string[]) => {
    expect(run).toThrow(expect.objectContaining({ code: 'MODEL_UNSUPPORTED' }) as Error);
    for (const word of ['layer7', ...words]) expect(run).toThrow(word);
  };
  const image = [1, 2, 4, 4];
  unsupported(refusal('Upsample', [image], {}), 'Upsample');
  unsupported(refusal('ConvTranspose', [image, [2, 2, 3, 3]], { auto_pad: text('SAME_UPPER') }), 'auto_pad');
  unsupported(refusal('ConvTranspose', [image, [2, 2, 3, 3]], { output_shape: ints([9, 9]) }), 'output_shape');
  unsupported(refusal('Conv', [image, [2, 2, 2, 2]], { auto_pad: text('SAME_UPPER'), dilations: ints([1, 2]) }), 'auto_pad', 'dilations');
  const doubled = (tape: Tape) => ['', tape.constant(floats([4], [1, 1, 2, 2]))];
  unsupported(refusal('Resize', [image], { coordinate_transformation_mode: text('tf_crop_and_resize') }, doubled), 'tf_crop_and_resize');
  unsupported(refusal('Resize', [image], { keep_aspect_ratio_policy: text('not_larger') }, doubled), 'keep_aspect_ratio_policy');
  unsupported(
    refusal('Resize', [image, [4]], {}, () => []),
    'its scales',
  );
  unsupported(refusal('MaxPool', [[1, 2, 5]], { kernel_shape: ints([1]), strides: ints([3]), ceil_mode: int(1) }), 'ceil_mode');
  unsupported(refusal('BatchNormalization', [image, [2], [2], [2], [2]], { spatial: int(0) }), 'spatial');
});

test('geometry that cannot be is refused before the runtime sees it', () => {
  const image = [1, 2, 4, 4];
  for (const [operator, dims, attributes] of [
    ['Conv', [image, [2, 3, 3, 3]], {}],
    ['Conv', [image, [2, 2, 5, 3]], {}],
    ['Conv', [image, [2, 2, 3, 3]], { strides: ints([0, 1]) }],
    ['Conv', [image, [2, 2, 3, 3]], { strides: ints([1]) }],
    ['Conv', [image, [2, 2, 3, 3]], { kernel_shape: ints([5, 5]) }],
    ['Conv', [image, [3, 1, 3, 3]], { group: int(2) }],
    ['ConvTranspose', [image, [3, 2, 3, 3]], {}],
    [
      'ConvTranspose',
      [
        [1, 2, 1, 1],
        [2, 2, 2, 2],
      ],
      { pads: ints([1, 1, 1, 1]) },
    ],
    ['ConvTranspose', [image, [2, 2, 3, 3]], { output_padding: ints([0, 1]), strides: ints([2, 1]) }],
    ['MaxPool', [image], {}],
    ['MaxPool', [image], { kernel_shape: ints([5, 5]) }],
    ['AveragePool', [image], { kernel_shape: ints([2, 2]), pads: ints([2, 0, 0, 0]) }],
    ['BatchNormalization', [image, [3], [3], [3], [3]], {}],
  ] as const) {
    expect(refusal(operator, dims, attributes), operator).toThrow(expect.objectContaining({ code: 'MODEL_INVALID' }) as Error);
  }
});
