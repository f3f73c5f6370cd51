import { ints } from '../../onnx/graph.ts';
import { permutation } from '../../onnx/shape-rules/movement.ts';
import { reshapeLike, sumTo, type GradientRule } from './rule.ts';

const reshape: GradientRule = ({ tape, gradient, input }) => [reshapeLike(tape, gradient, input(0))];

export const movementGradients: Readonly<Record<string, GradientRule>> = {
  Reshape: reshape,
  Flatten: reshape,
  Transpose: ({ tape, node, gradient }) => {
    const order = permutation(node, tape.type(gradient).dims.length);
    const back = order.map((_, axis) => order.indexOf(axis));
    return [tape.add('Transpose', [gradient], { perm: ints(back) })];
  },
  Expand: ({ tape, gradient, input }) => [sumTo(tape, gradient, input(0))],
};
