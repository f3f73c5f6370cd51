import { float, type Tensor } from '../../onnx/graph.ts';
import { nodeOf, type RewriteRule } from './rewriter.ts';

const floatsOf = (tensor: Tensor | undefined): Float32Array | undefined => (tensor?.type === 'float32' ? (tensor.data as Float32Array) : undefined);

export const divisionToProduct: RewriteRule = {
  words: 'division by a constant became a product',
  operators: ['Div'],
  apply: (node, around) => {
    const [value = '', divisor = ''] = node.inputs;
    const tensor = around.constant(divisor);
    const factors = floatsOf(tensor)?.map((one) => 1 / one);
    if (tensor === undefined || factors === undefined || !factors.every((one) => Number.isFinite(one) && one !== 0)) return undefined;
    // The runtime knows Gelu and attention by their divisions.
    const isPart = around.readers(node.outputs[0] ?? '').some(({ operator }) => operator === 'Erf') || around.maker(value)?.operator === 'MatMul';
    if (isPart || around.constant(value) !== undefined) return undefined;
    return [{ ...node, operator: 'Mul', inputs: [value, around.store(`${divisor}.reciprocal`, { ...tensor, data: factors })] }];
  },
};

export const differenceToSum: RewriteRule = {
  words: 'subtraction of a constant became a sum',
  operators: ['Sub'],
  apply: (node, around) => {
    const [value = '', less = ''] = node.inputs;
    const tensor = around.constant(less);
    const terms = floatsOf(tensor)?.map((one) => -one);
    if (tensor === undefined || terms === undefined || around.constant(value) !== undefined) return undefined;
    return [{ ...node, operator: 'Add', inputs: [value, around.store(`${less}.negative`, { ...tensor, data: terms })] }];
  },
};

export const oneSlope: RewriteRule = {
  words: 'PRelu of one slope became LeakyRelu',
  operators: ['PRelu'],
  apply: (node, around) => {
    const slope = around.number(node.inputs[1] ?? '');
    const isPlain = slope !== undefined && around.type(node.inputs[0] ?? '')?.type === 'float32';
    return isPlain ? [{ ...node, operator: 'LeakyRelu', inputs: [node.inputs[0] ?? ''], attributes: { alpha: float(slope) } }] : undefined;
  },
};

/** A factor that is one but for rounding, or a term that is zero, of no more dimensions than the value. */
export const nothingToDo: RewriteRule = {
  words: 'product with one or sum with zero fell away',
  operators: ['Mul', 'Add'],
  apply: (node, around) => {
    const neutral = node.operator === 'Mul' ? 1 : 0;
    const side = node.inputs.findIndex((name) => around.constant(name)?.type === 'float32' && Math.abs((around.number(name) ?? 9) - neutral) < 1e-7);
    const value = node.inputs[1 - side] ?? '';
    const [rank, other] = [around.type(value)?.dims.length, around.constant(node.inputs[side] ?? '')?.dims.length ?? 0];
    if (side < 0 || rank === undefined || other > rank || around.constant(value) !== undefined) return undefined;
    return [nodeOf('Identity', [value], node.outputs[0] ?? '')];
  },
};
