import { SerinError } from '@serin/protocol/errors';

import { elementCount, numberAttribute, type ElementType, type Node, type Tensor } from '../../onnx/graph.ts';
import type { Tape } from '../tape.ts';
import type { GradientRule } from './rule.ts';

/** Smallest and largest of the types a real number may be stored in. */
const limits: Partial<Record<ElementType, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
};

/** A constant operand with one number, or one a channel, as float32 that broadcasts against the value quantised. */
function operand(tape: Tape, node: Node, index: number, change: (value: number, place: number) => number): string {
  const name = node.inputs[index] ?? '';
  const tensor = constantOperand(tape, node, name);
  const data = Float32Array.from(tensor.data as ArrayLike<number>, change);
  if (data.length === 1) return tape.constant({ type: 'float32', dims: [], data });
  const { dims } = tape.type(node.inputs[0] ?? '');
  const axis = numberAttribute(node, 'axis', 1);
  const place = axis < 0 ? axis + dims.length : axis;
  return tape.constant({ type: 'float32', dims: dims.map((_, each) => (each === place ? data.length : 1)), data });
}

function constantOperand(tape: Tape, node: Node, name: string): Tensor {
  const tensor = tape.constantValue(name);
  if (tensor !== undefined && tensor.dims.length <= 1 && elementCount(tensor.dims) > 0 && numberAttribute(node, 'block_size', 0) === 0) return tensor;
  throw new SerinError('MODEL_UNSUPPORTED', {
    detail: `${node.operator} ${node.name}: its scale or zero point is computed, or one a block`,
    hint: 'Train the float model and quantise it afterwards',
  });
}

/**
 * Straight through (Bengio, Leonard and Courville 2013): rounding has the slope of the line it follows, and what lies
 * outside the range none. The gradient of a stored number is one by a step of it.
 */
const quantize: GradientRule = ({ tape, node, gradient, output, input, needs }) => {
  if (!needs(0)) return [];
  const range = limits[tape.type(output).type];
  if (range === undefined) throw new SerinError('MODEL_UNSUPPORTED', { detail: `QuantizeLinear ${node.name} to ${tape.type(output).type} in training` });
  const scales = constantOperand(tape, node, input(1)).data as ArrayLike<number>;
  const zeros = input(2) === '' ? [0] : (constantOperand(tape, node, input(2)).data as ArrayLike<number>);
  // Half a step beyond the last number still rounds to it.
  const bound = (limit: number): string => operand(tape, node, 1, (scale, place) => (limit - (zeros[zeros.length === 1 ? 0 : place] ?? 0)) * scale);
  const above = tape.add('GreaterOrEqual', [input(0), bound(range[0] - 0.5)]);
  const below = tape.add('LessOrEqual', [input(0), bound(range[1] + 0.5)]);
  const perStep = tape.add('Mul', [gradient, operand(tape, node, 1, (_, place) => 1 / (scales[place] ?? 1))]);
  return [tape.add('Where', [tape.add('And', [above, below]), perStep, tape.number(0, perStep)])];
};

const dequantize: GradientRule = ({ tape, node, gradient, needs }) => (needs(0) ? [tape.add('Mul', [gradient, operand(tape, node, 1, (scale) => scale)])] : []);

export const quantisedGradients: Readonly<Record<string, GradientRule>> = { QuantizeLinear: quantize, DequantizeLinear: dequantize };
