import { elementCount } from '../../onnx/graph.ts';
import type { GradientRule } from './rule.ts';

export const poolGradients: Readonly<Record<string, GradientRule>> = {
  GlobalAveragePool: ({ tape, gradient, input }) => {
    const { dims } = tape.type(input(0));
    const share = tape.add('Mul', [gradient, tape.number(1 / elementCount(dims.slice(2)), gradient)]);
    return [tape.add('Expand', [share, tape.longs(dims)])];
  },
};
