import { float, floats, int, numberAttribute, type Tensor } from '../../onnx/graph.ts';
import type { RewriteRule } from './rewriter.ts';

export const sumAfterMatMul: RewriteRule = {
  words: 'MatMul and the bias after it became Gemm',
  operators: ['Add'],
  apply: (node, around) => {
    for (const side of [0, 1]) {
      const product = around.sole(node.inputs[side] ?? '', 'MatMul');
      const bias = around.constant(node.inputs[1 - side] ?? '');
      const weight = around.constant(product?.inputs[1] ?? '');
      if (product === undefined || bias?.type !== 'float32' || weight?.type !== 'float32' || weight.dims.length !== 2) continue;
      const isFlat = bias.dims.length > 0 && bias.dims.length <= 2 && bias.dims.at(-1) === weight.dims[1] && bias.data.length === weight.dims[1];
      if (around.type(product.inputs[0] ?? '')?.dims.length !== 2 || !isFlat) continue;
      return [{ ...node, operator: 'Gemm', inputs: [...product.inputs, node.inputs[1 - side] ?? ''], attributes: {} }];
    }
    return undefined;
  },
};

/** The factors of a Gemm become part of its weight and bias, and its bias a number for every column. */
export const plainGemm: RewriteRule = {
  words: 'factors of Gemm became part of its weight',
  operators: ['Gemm'],
  apply: (node, around) => {
    const [input = '', weightName = '', biasName = ''] = node.inputs;
    const [alpha, beta] = [numberAttribute(node, 'alpha', 1), numberAttribute(node, 'beta', 1)];
    const weight = around.constant(weightName);
    const bias = around.constant(biasName);
    if (weight?.type !== 'float32' || (biasName !== '' && bias?.type !== 'float32')) return undefined;
    const columns = weight.dims[numberAttribute(node, 'transB', 0) === 1 ? 0 : 1] ?? 0;
    if (bias !== undefined && bias.data.length !== 1 && !(bias.data.length === columns && bias.dims.at(-1) === columns)) return undefined;
    if (alpha === 1 && beta === 1 && (bias === undefined || bias.dims.join() === `${columns}`)) return undefined;
    const scaled = (tensor: Tensor, factor: number): Float32Array => (tensor.data as Float32Array).map((value) => value * factor);
    const inputs = [input, alpha === 1 ? weightName : around.store(weightName, { ...weight, data: scaled(weight, alpha) })];
    if (bias !== undefined) {
      const values = scaled(bias, beta);
      inputs.push(
        around.store(
          biasName,
          floats(
            [columns],
            Float32Array.from({ length: columns }, (_, column) => values[values.length === 1 ? 0 : column] ?? 0),
          ),
        ),
      );
    }
    return [{ ...node, inputs, attributes: { ...node.attributes, alpha: float(1), beta: float(1), transB: int(numberAttribute(node, 'transB', 0)) } }];
  },
};
