import { int, ints } from '../../onnx/graph.ts';
import { convGeometry, type ConvGeometry } from '../../onnx/shape-rules/spatial.ts';
import type { Tape } from '../tape.ts';
import type { GradientContext, GradientRule } from './rule.ts';

/** Gradients of Conv over any number of spatial axes, with groups, written with forward operators only. */
const conv: GradientRule = (context) => {
  const { tape, node, gradient, input, needs } = context;
  const geometry = convGeometry(node, tape.type(input(1)).dims, tape.type(input(0)).dims);
  return [
    needs(0) ? inputGradient(context, geometry) : undefined,
    needs(1) ? weightGradient(context, geometry) : undefined,
    needs(2) ? tape.add('ReduceSum', [gradient, tape.longs([0, ...geometry.kernel.map((_, axis) => axis + 2)])], { keepdims: int(0) }) : undefined,
  ];
};

const at = (list: readonly number[], index: number): number => list[index] ?? 0;

/** Rows (or columns) at the far edge, pads included, that no window reached. */
function unreached({ kernel, strides, dilations, pads }: ConvGeometry, x: readonly number[], y: readonly number[]): number[] {
  return kernel.map((size, axis) => {
    const reach = (at(y, axis + 2) - 1) * at(strides, axis) + at(dilations, axis) * (size - 1) + 1;
    return at(x, axis + 2) + at(pads, axis) + at(pads, axis + kernel.length) - reach;
  });
}

/** The transposed convolution of the output's gradient. */
function inputGradient({ tape, gradient, input }: GradientContext, geometry: ConvGeometry): string {
  const { kernel, strides, dilations, pads, group } = geometry;
  return tape.add('ConvTranspose', [gradient, input(1)], {
    kernel_shape: ints(kernel),
    strides: ints(strides),
    dilations: ints(dilations),
    pads: ints(pads),
    group: int(group),
    output_padding: ints(unreached(geometry, tape.type(input(0)).dims, tape.type(gradient).dims)),
  });
}

/**
 * The convolution of input and gradient with batch and channels exchanged; strides turn into dilations. Channels are
 * interleaved with the last axis, so that all of them come out of one product with as many columns as a filter has
 * weights: one product a channel would have nine columns for a kernel of 3 by 3, and kernels for products want many more.
 */
function weightGradient({ tape, gradient, input }: GradientContext, geometry: ConvGeometry): string {
  const { kernel, strides, dilations, pads, group } = geometry;
  const [batch = 0, channels = 0, ...spatial] = tape.type(input(0)).dims;
  const [, filters = 0, ...places] = tape.type(gradient).dims;
  const rank = kernel.length;
  const depth = channels / group;
  // A dilated last axis would skip channels.
  const interleaved = depth > 1 && at(dilations, rank - 1) === 1;
  const parts = interleaved ? balancedParts(geometry, depth) : 1;
  const woven = interleaved ? depth / parts : 1;
  const weave = (values: readonly number[]): number[] => values.map((value, axis) => (axis === rank - 1 ? value * woven : value));

  // Pads at the far edge; where no window reached even the input's last rows these are cut off, but one.
  const missed = unreached(geometry, tape.type(input(0)).dims, tape.type(gradient).dims);
  const ends = spatial.map((size, axis) => Math.max(at(pads, rank + axis) - at(missed, axis), 1 - size));
  const sizes = spatial.map((size, axis) => size + Math.min(0, at(ends, axis)));
  const cropped = crop(tape, input(0), ends);
  const turned = interleaved ? channelsLast(tape, cropped, group, parts) : channelsFirst(tape, cropped, group);
  const image = tape.add('Reshape', [turned, tape.longs([interleaved ? parts : depth, group * batch, ...weave(sizes)])]);

  const exchange = ints([1, 0, ...places.map((_, axis) => axis + 2)]);
  const wide = tape.add('Conv', [image, tape.add('Transpose', [gradient], { perm: exchange })], {
    kernel_shape: ints(places),
    strides: ints(dilations),
    dilations: ints(weave(strides)),
    pads: ints([...weave(pads.slice(0, rank)), ...weave(ends).map((end) => Math.max(0, end))]),
    group: int(group),
  });
  const surplus = weave(kernel).map((size, axis) => size - at(tape.type(wide).dims, axis + 2));
  const fitted = crop(tape, wide, surplus);
  if (!interleaved) return tape.add('Transpose', [fitted], { perm: exchange });
  const taps = tape.add('Reshape', [fitted, tape.longs([parts, filters, ...kernel, woven])]);
  const ordered = tape.add('Transpose', [taps], { perm: ints([1, 0, rank + 2, ...kernel.map((_, axis) => axis + 2)]) });
  return tape.add('Reshape', [ordered, tape.longs([filters, depth, ...kernel])]);
}

/**
 * The runtime shares a convolution out by examples and rows. Here there is one example, and its rows are those of the
 * kernel: three, which two threads share badly. Sixteen channels at a time are an example of their own then: as many lie
 * side by side in memory where channels do so in blocks.
 */
const balancedParts = ({ kernel, group }: ConvGeometry, depth: number): number => (group === 1 && kernel.length === 2 && depth % 16 === 0 ? depth / 16 : 1);

/** [parts, group, batch, ...sizes, channels] */
function channelsLast(tape: Tape, value: string, group: number, parts: number): string {
  const [batch = 0, channels = 0, ...sizes] = tape.type(value).dims;
  const sets = group * parts;
  if (sets === 1) return tape.add('Transpose', [value], { perm: ints([0, ...sizes.map((_, axis) => axis + 2), 1]) });
  const apart = tape.add('Reshape', [value, tape.longs([batch, sets, channels / sets, ...sizes])]);
  return tape.add('Transpose', [apart], { perm: ints([1, 0, ...sizes.map((_, axis) => axis + 3), 2]) });
}

/** [channels, group, batch, ...sizes] */
function channelsFirst(tape: Tape, value: string, group: number): string {
  const [batch = 0, channels = 0, ...sizes] = tape.type(value).dims;
  const grouped = tape.add('Reshape', [value, tape.longs([batch, group, channels / group, ...sizes])]);
  return tape.add('Transpose', [grouped], { perm: ints([2, 1, 0, ...sizes.map((_, axis) => axis + 3)]) });
}

/** Without the far rows and columns of which `ends` is negative. */
function crop(tape: Tape, value: string, ends: readonly number[]): string {
  const axes = ends.map((_, axis) => axis).filter((axis) => at(ends, axis) < 0);
  if (axes.length === 0) return value;
  const stops = axes.map((axis) => at(ends, axis));
  return tape.add('Slice', [value, tape.longs(axes.map(() => 0)), tape.longs(stops), tape.longs(axes.map((axis) => axis + 2))]);
}

export const convGradients: Readonly<Record<string, GradientRule>> = { Conv: conv };
