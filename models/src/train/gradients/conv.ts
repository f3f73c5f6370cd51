import { SerinError } from '@serin/protocol/errors';

import { int, ints, numberAttribute, numbersAttribute } from '../../onnx/graph.ts';
import { convGeometry } from '../../onnx/shape-rules/spatial.ts';
import type { GradientContext, GradientRule } from './rule.ts';

/** Gradients of Conv in two dimensions without groups, written with forward operators only. */
function convGradient(context: GradientContext): (string | undefined)[] {
  const { tape, gradient, input, needs } = context;
  return [
    needs(0) ? inputGradient(context) : undefined,
    needs(1) ? weightGradient(context) : undefined,
    needs(2) ? tape.add('ReduceSum', [gradient, tape.longs([0, 2, 3])], { keepdims: int(0) }) : undefined,
  ].slice(0, input(2) === '' ? 2 : 3);
}

/** The transposed convolution of the output's gradient. */
function inputGradient({ tape, node, gradient, input }: GradientContext): string {
  const x = tape.type(input(0)).dims;
  const { kernel, strides, dilations, pads } = convGeometry(node, tape.type(input(1)).dims);
  const y = tape.type(gradient).dims;
  // Rows and columns at the far edge that no stride reached.
  const missed = kernel.map((size, axis) => {
    const reach = ((y[axis + 2] ?? 0) - 1) * (strides[axis] ?? 1) + (dilations[axis] ?? 1) * (size - 1) + 1;
    return (x[axis + 2] ?? 0) + (pads[axis] ?? 0) + (pads[axis + 2] ?? 0) - reach;
  });
  return tape.add('ConvTranspose', [gradient, input(1)], {
    strides: ints(strides),
    dilations: ints(dilations),
    pads: ints(pads),
    output_padding: ints(missed),
  });
}

/** The convolution of input and gradient with batch and channels exchanged; strides turn into dilations. */
function weightGradient({ tape, node, gradient, input }: GradientContext): string {
  const { kernel, strides, dilations, pads } = convGeometry(node, tape.type(input(1)).dims);
  const swap = { perm: ints([1, 0, 2, 3]) };
  const wide = tape.add('Conv', [tape.add('Transpose', [input(0)], swap), tape.add('Transpose', [gradient], swap)], {
    strides: ints(dilations),
    dilations: ints(strides),
    pads: ints(pads),
  });
  const dims = tape.type(wide).dims;
  const fits = dims[2] === kernel[0] && dims[3] === kernel[1];
  const cropped = fits ? wide : tape.add('Slice', [wide, tape.longs([0, 0]), tape.longs(kernel), tape.longs([2, 3])]);
  return tape.add('Transpose', [cropped], swap);
}

export const convGradients: Readonly<Record<string, GradientRule>> = {
  Conv: (context) => {
    if (numberAttribute(context.node, 'group', 1) !== 1) {
      throw new SerinError('MODEL_UNSUPPORTED', { detail: 'the gradient of a grouped Conv' });
    }
    if (numbersAttribute(context.node, 'strides', [1, 1]).length !== 2) {
      throw new SerinError('MODEL_UNSUPPORTED', {
        detail: 'the gradient of a Conv that is not two-dimensional',
      });
    }
    return convGradient(context);
  },
};
