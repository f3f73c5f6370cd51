import { elementCount, numberAttribute, type Graph, type Node, type Tensor } from '../onnx/graph.ts';
import { refuse, type Refusal } from './rewrite-nodes.ts';

/** A product with constant weights: [..., depth] x [depth, width], then perhaps a bias. */
export interface Product {
  readonly input: string;
  readonly weight: Tensor<'float32'>;
  readonly weightName: string;
  readonly depth: number;
  readonly width: number;
  /** Distances in `weight.data` from one row, and from one column, to the next. */
  readonly rowStep: number;
  readonly columnStep: number;
  /** A bias is added to the result; '' for none. */
  readonly bias: string;
}

/** Below so many weights the work around a product takes longer than the product: measured, 64 x 64 is about even. */
export const weightsMin = 4096;

export const isProduct = ({ operator }: Node): boolean => operator === 'MatMul' || operator === 'Gemm';

export function readProduct(graph: Graph, node: Node): Product | Refusal {
  const [input = '', weightName = '', bias = ''] = node.inputs;
  const weight = graph.initialisers.get(weightName);
  if (weight === undefined) {
    return refuse('form', graph.initialisers.has(input) ? 'its weights come before its input' : 'it multiplies two computed values');
  }
  if (weight.type !== 'float32') return refuse('type', `its weights are ${weight.type}`);
  if (weight.dims.length !== 2) return refuse('form', `its weights have ${weight.dims.length} dimensions`);
  const isGemm = node.operator === 'Gemm';
  if (isGemm && (numberAttribute(node, 'alpha', 1) !== 1 || (bias !== '' && numberAttribute(node, 'beta', 1) !== 1))) {
    return refuse('form', 'it scales its result or its bias');
  }
  if (isGemm && numberAttribute(node, 'transA', 0) !== 0) return refuse('form', 'it transposes its input');
  if (elementCount(weight.dims) < weightsMin) return refuse('cost', `it has ${elementCount(weight.dims)} weights; below ${weightsMin} nothing is won`);
  const [rows = 0, columns = 0] = weight.dims;
  const isTurned = isGemm && numberAttribute(node, 'transB', 0) !== 0;
  return {
    input,
    weight: weight as Tensor<'float32'>,
    weightName,
    bias: isGemm ? bias : '',
    ...(isTurned ? { depth: columns, width: rows, rowStep: 1, columnStep: columns } : { depth: rows, width: columns, rowStep: columns, columnStep: 1 }),
  };
}
