import { elementCount, floats, ints, text, type Attribute } from '../../onnx/graph.ts';
import { axisMatrix, mapBack } from './axis-map.ts';
import type { GradientContext, GradientRule } from './rule.ts';

const resize: GradientRule = (context) => {
  const { tape, gradient, input } = context;
  const from = tape.type(input(0)).dims;
  const to = tape.type(gradient).dims;
  // The runtime copies pictures that keep their size, whatever the scale.
  if (from.join() === to.join()) return [gradient];
  const blocks = repeatedBlocks(context, from, to);
  if (blocks !== undefined) {
    const mean = tape.add('AveragePool', [gradient], { kernel_shape: ints(blocks), strides: ints(blocks) });
    return [tape.add('Mul', [mean, tape.number(elementCount(blocks), gradient)])];
  }
  const result = from.reduce((back, size, axis) => {
    const scale = scaleOf(context, axis);
    if (size === to[axis] && (scale === undefined || scale === 1)) return back;
    return mapBack(tape, back, axis, resizeMatrix(context, size, to[axis] ?? 1, scale));
  }, gradient);
  return [result];
};

/** The given scale of an axis; undefined when the sizes are given. It decides where samples are taken, not only how many. */
function scaleOf({ tape, node, input }: GradientContext, axis: number): number | undefined {
  const scales = tape.constantValue(input(2));
  if (scales === undefined || scales.data.length === 0) return undefined;
  const rank = tape.type(input(0)).dims.length;
  const axes = (node.attributes['axes']?.value as readonly number[] | undefined)?.map((one) => (one < 0 ? one + rank : one));
  const index = axes === undefined ? axis : axes.indexOf(axis);
  return index === -1 ? 1 : Number(scales.data[index]);
}

function resizeMatrix({ tape, node }: GradientContext, size: number, resized: number, scale: number | undefined): string {
  const { axes: _, ...attributes } = node.attributes;
  return axisMatrix(tape, size, (columns) => {
    if (scale === undefined) return tape.add('Resize', [columns, '', '', tape.longs([1, size, resized, 1])], attributes);
    if (size !== resized) return tape.add('Resize', [columns, '', tape.constant(floats([4], [1, 1, scale, 1]))], attributes);
    // Made wider, so that it is not copied as it is.
    const wide = tape.add('Resize', [columns, '', tape.constant(floats([4], [1, 1, scale, 2]))], attributes);
    return tape.add('Slice', [wide, tape.longs([0]), tape.longs([1]), tape.longs([3])]);
  });
}

/** The factors of a nearest-neighbour resize of pictures that repeats every element a whole number of times. */
function repeatedBlocks(context: GradientContext, from: readonly number[], to: readonly number[]): number[] | undefined {
  const factors = from.map((size, axis) => (to[axis] ?? 0) / size);
  const [batch, channels, ...spatial] = factors;
  if (from.length !== 4 || batch !== 1 || channels !== 1 || !factors.every(Number.isInteger)) return undefined;
  // A scale a little off samples otherwise, though as many times.
  if (factors.some((factor, axis) => (scaleOf(context, axis) ?? factor) !== factor)) return undefined;
  const word = (name: string, otherwise: string): Attribute['value'] => context.node.attributes[name]?.value ?? otherwise;
  if (word('mode', 'nearest') !== 'nearest') return undefined;
  const coordinates = word('coordinate_transformation_mode', 'half_pixel');
  const rounding = word('nearest_mode', 'round_prefer_floor');
  const centred =
    (coordinates === 'half_pixel' || coordinates === 'pytorch_half_pixel') && (rounding === 'round_prefer_floor' || rounding === 'round_prefer_ceil');
  return centred || (coordinates === 'asymmetric' && rounding === 'floor') ? spatial : undefined;
}

/** The cheapest way to repeat elements in blocks, see `repeatedBlocks`. */
export const repeat: Readonly<Record<string, Attribute>> = {
  mode: text('nearest'),
  coordinate_transformation_mode: text('asymmetric'),
  nearest_mode: text('floor'),
};

export const resizeGradients: Readonly<Record<string, GradientRule>> = { Resize: resize };
