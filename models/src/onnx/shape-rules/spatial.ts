import { SerinError } from '@serin/protocol/errors';

import { numberAttribute, numbersAttribute, type Node } from '../graph.ts';
import { at, mismatch, type ShapeRule } from './rule.ts';

export interface ConvGeometry {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** All begins, then all ends. */
  readonly pads: readonly number[];
  readonly group: number;
}

export function convGeometry(node: Node, weightDims: readonly number[]): ConvGeometry {
  const kernel = weightDims.slice(2);
  const ones = kernel.map(() => 1);
  const automatic = node.attributes['auto_pad']?.value;
  if (automatic !== undefined && automatic !== 'NOTSET') {
    throw new SerinError('MODEL_UNSUPPORTED', {
      detail: `${node.operator} with auto_pad`,
      hint: 'Export it with explicit pads',
    });
  }
  return {
    kernel,
    strides: numbersAttribute(node, 'strides', ones),
    dilations: numbersAttribute(node, 'dilations', ones),
    pads: numbersAttribute(node, 'pads', [...ones, ...ones].fill(0)),
    group: numberAttribute(node, 'group', 1),
  };
}

const conv: ShapeRule = ({ node, input }) => {
  const x = input(0);
  const w = input(1);
  const { kernel, strides, dilations, pads, group } = convGeometry(node, w.dims);
  if (x.dims.length !== w.dims.length) throw mismatch(node, 'input and weight differ in rank');
  if (at(x.dims, 1) !== at(w.dims, 1) * group) throw mismatch(node, `${at(x.dims, 1)} channels in, weights for ${at(w.dims, 1) * group}`);
  const spatial = kernel.map((size, axis) => {
    const padded = at(x.dims, axis + 2) + at(pads, axis) + at(pads, axis + kernel.length);
    return Math.floor((padded - at(dilations, axis) * (size - 1) - 1) / at(strides, axis)) + 1;
  });
  if (spatial.some((size) => size < 1)) throw mismatch(node, 'the kernel is larger than its input');
  return [{ type: x.type, dims: [at(x.dims, 0), at(w.dims, 0), ...spatial] }];
};

const convTranspose: ShapeRule = ({ node, input }) => {
  const x = input(0);
  const w = input(1);
  const { kernel, strides, dilations, pads, group } = convGeometry(node, w.dims);
  const extra = numbersAttribute(
    node,
    'output_padding',
    kernel.map(() => 0),
  );
  const spatial = kernel.map(
    (size, axis) =>
      (at(x.dims, axis + 2) - 1) * at(strides, axis) + at(extra, axis) + at(dilations, axis) * (size - 1) + 1 - at(pads, axis) - at(pads, axis + kernel.length),
  );
  return [{ type: x.type, dims: [at(x.dims, 0), at(w.dims, 1) * group, ...spatial] }];
};

const globalPool: ShapeRule = ({ input }) => [
  {
    type: input(0).type,
    dims: input(0).dims.map((dim, axis) => (axis < 2 ? dim : 1)),
  },
];

export const spatialShapes: Readonly<Record<string, ShapeRule>> = {
  Conv: conv,
  ConvTranspose: convTranspose,
  GlobalAveragePool: globalPool,
};
