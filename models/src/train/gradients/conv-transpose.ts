import { int, ints } from '../../onnx/graph.ts';
import { convTransposeGeometry } from '../../onnx/shape-rules/spatial.ts';
import type { GradientContext, GradientRule } from './rule.ts';

const convTranspose: GradientRule = (context) => {
  const { tape, gradient, needs } = context;
  const axes = tape.type(gradient).dims.map((_, axis) => axis);
  return [
    needs(0) ? inputGradient(context) : undefined,
    needs(1) ? weightGradient(context) : undefined,
    needs(2) ? tape.add('ReduceSum', [gradient, tape.longs(axes.filter((axis) => axis !== 1))], { keepdims: int(0) }) : undefined,
  ];
};

const geometryOf = ({ tape, node, input }: GradientContext) => convTransposeGeometry(node, tape.type(input(1)).dims);

/** The plain convolution of the output's gradient with the same weights. */
function inputGradient(context: GradientContext): string {
  const { tape, gradient, input } = context;
  const { strides, dilations, pads, group } = geometryOf(context);
  return tape.add('Conv', [gradient, input(1)], { strides: ints(strides), dilations: ints(dilations), pads: ints(pads), group: int(group) });
}

function weightGradient(context: GradientContext): string {
  const { tape, gradient, input } = context;
  const { kernel, strides, dilations, pads, outputPadding, group } = geometryOf(context);
  const tiles = kernel.every((size, axis) => size === strides[axis] && (size === 1 || dilations[axis] === 1));
  if (group === 1 && tiles && pads.every((pad) => pad === 0) && outputPadding.every((pad) => pad === 0)) return tiledWeightGradient(context);

  const spatial = kernel.map((_, axis) => axis + 2);
  const [batch = 1, channels = 1, ...sizes] = tape.type(gradient).dims;
  const filters = channels / group;
  // [batch, group * filters, ...] as filters pictures of group * batch channels: each group meets its own inputs only.
  const regrouped = (): string => {
    const apart = tape.add('Reshape', [gradient, tape.longs([batch, group, filters, ...sizes])]);
    const turned = tape.add('Transpose', [apart], { perm: ints([2, 1, 0, ...spatial.map((axis) => axis + 1)]) });
    return tape.add('Reshape', [turned, tape.longs([filters, group * batch, ...sizes])]);
  };
  const swap = { perm: ints([1, 0, ...spatial]) };
  const pictures = group === 1 ? tape.add('Transpose', [gradient], swap) : regrouped();
  // Strides of the forward pass are dilations here and the other way round.
  const products = tape.add('Conv', [pictures, tape.add('Transpose', [input(0)], swap)], {
    strides: ints(dilations),
    dilations: ints(strides),
    pads: ints(pads),
    group: int(group),
  });
  // An output padding as large as a dilation looks like another tap.
  const fits = spatial.every((axis) => tape.type(products).dims[axis] === kernel[axis - 2]);
  const taps = fits ? products : tape.add('Slice', [products, tape.longs(kernel.map(() => 0)), tape.longs(kernel), tape.longs(spatial)]);
  return tape.add('Transpose', [taps], swap);
}

/** Where every output has one input only, the usual upsampling, the gradient is one product of matrices. */
function tiledWeightGradient({ tape, gradient, input }: GradientContext): string {
  const [batch = 1, channels = 1, ...sizes] = tape.type(input(0)).dims;
  const [, filters = 1, ...kernel] = tape.type(input(1)).dims;
  const axes = sizes.map((_, axis) => axis);
  const places = batch * sizes.reduce((product, size) => product * size, 1);
  const tiles = tape.add('Reshape', [gradient, tape.longs([batch, filters, ...axes.flatMap((axis) => [sizes[axis] ?? 1, kernel[axis] ?? 1])])]);
  // The places in front, then the filter and the place within the tile.
  const perm = [0, ...axes.map((axis) => 2 + 2 * axis), 1, ...axes.map((axis) => 3 + 2 * axis)];
  const right = tape.add('Reshape', [tape.add('Transpose', [tiles], { perm: ints(perm) }), tape.longs([places, -1])]);
  const left = tape.add('Reshape', [
    tape.add('Transpose', [input(0)], { perm: ints([1, 0, ...axes.map((axis) => axis + 2)]) }),
    tape.longs([channels, places]),
  ]);
  return tape.add('Reshape', [tape.add('MatMul', [left, right]), tape.longs([channels, filters, ...kernel])]);
}

export const convTransposeGradients: Readonly<Record<string, GradientRule>> = { ConvTranspose: convTranspose };
