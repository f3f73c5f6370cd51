import { elementCount, floats, int, ints, numberAttribute, type Attribute } from '../../onnx/graph.ts';
import { castTo } from '../tape.ts';
import { poolGeometry } from '../../onnx/shape-rules/spatial.ts';
import { axisMatrix, mapBack } from './axis-map.ts';
import { repeat } from './resize.ts';
import type { GradientContext, GradientRule } from './rule.ts';

/** Takes a gradient back through the windows of a pool in which every element has a fixed share. */
function shareBack({ tape, node, input }: GradientContext, gradient: string, attributes: Record<string, Attribute>): string {
  const { dims } = tape.type(input(0));
  const { kernel, strides, dilations, pads } = poolGeometry(node, dims);
  return kernel.reduce((back, size, index) => {
    const one = (values: readonly number[]): Attribute => ints([values[index] ?? 1, 1]);
    const matrix = axisMatrix(tape, dims[index + 2] ?? 1, (columns) =>
      tape.add(node.operator, [columns], {
        ...attributes,
        kernel_shape: ints([size, 1]),
        strides: one(strides),
        pads: ints([pads[index] ?? 0, 0, pads[index + kernel.length] ?? 0, 0]),
        // Attributes that older opsets lack are left out where they say the usual.
        ...(numberAttribute(node, 'ceil_mode', 0) !== 0 ? { ceil_mode: int(1) } : {}),
        ...(dilations.some((dilation) => dilation !== 1) ? { dilations: one(dilations) } : {}),
      }),
    );
    return mapBack(tape, back, index + 2, matrix);
  }, gradient);
}

const averagePool: GradientRule = (context) => {
  const { tape, node, gradient, input } = context;
  const from = tape.type(input(0)).dims;
  const to = tape.type(gradient).dims;
  const { kernel, strides, dilations, pads } = poolGeometry(node, from);
  const covers = kernel.every((size, axis) => size === strides[axis] && size * (to[axis + 2] ?? 0) === from[axis + 2]);
  const tiles = covers && kernel.length === 2 && [...dilations, ...pads.map((pad) => pad + 1)].every((value) => value === 1);
  if (!tiles) return [shareBack(context, gradient, { count_include_pad: int(numberAttribute(node, 'count_include_pad', 0)) })];
  const share = tape.add('Mul', [gradient, tape.number(1 / elementCount(kernel), gradient)]);
  return [tape.add('Resize', [share, '', tape.constant(floats([4], [1, 1, ...kernel]))], repeat)];
};

/** A constant over the space of `value`: multiplying by it spreads a number a channel, several times faster than Expand. */
function spread(context: GradientContext, gradient: string, share: number): string {
  const { tape, input } = context;
  const spatial = tape.type(input(0)).dims.slice(2);
  return tape.add('Mul', [gradient, tape.constant(floats(spatial, new Float32Array(elementCount(spatial)).fill(share)))]);
}

const globalAveragePool: GradientRule = (context) => {
  const { tape, gradient, input } = context;
  return [spread(context, gradient, 1 / elementCount(tape.type(input(0)).dims.slice(2)))];
};

/** Elements that are equally large share the gradient. */
const globalMaxPool: GradientRule = ({ tape, gradient, output, input }) => {
  const { type, dims } = tape.type(input(0));
  const largest = tape.add('Cast', [tape.add('Equal', [input(0), output])], castTo(type));
  const count = tape.add('ReduceSum', [largest, tape.longs(dims.map((_, axis) => axis).slice(2))], { keepdims: int(1) });
  return [tape.add('Mul', [largest, tape.add('Div', [gradient, count])])];
};

/** Of the p-norm of a window y = (sum |x|^p)^(1/p): sign(x) |x|^(p-1) y^(1-p); nothing where the whole window is zero. */
const powerPool =
  (back: (context: GradientContext, share: string) => string): GradientRule =>
  (context) => {
    const { tape, node, gradient, output, input } = context;
    const power = numberAttribute(node, 'p', 2);
    const x = input(0);
    if (power === 1) return [tape.add('Mul', [tape.add('Sign', [x]), back(context, gradient)])];
    const raised = (value: string, exponent: number): string => (exponent === 1 ? value : tape.add('Pow', [value, tape.number(exponent, value)]));
    const zero = tape.number(0, output);
    const share = tape.add('Where', [tape.add('Greater', [output, zero]), tape.add('Div', [gradient, raised(output, power - 1)]), zero]);
    const slope = power === 2 ? x : tape.add('Mul', [tape.add('Sign', [x]), raised(tape.add('Abs', [x]), power - 1)]);
    return [tape.add('Mul', [slope, back(context, share)])];
  };

export const poolGradients: Readonly<Record<string, GradientRule>> = {
  AveragePool: averagePool,
  GlobalAveragePool: globalAveragePool,
  GlobalMaxPool: globalMaxPool,
  // The norm with p = 1 of the identity is the plain sum over a window.
  LpPool: powerPool((context, share) => shareBack(context, share, { p: int(1) })),
  GlobalLpPool: powerPool((context, share) => spread(context, share, 1)),
};
