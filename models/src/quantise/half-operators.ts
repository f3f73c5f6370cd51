import { elementCount, numbersAttribute, type Node } from '../onnx/graph.ts';
import type { InferredModel } from '../onnx/infer-model.ts';
import { refuse, type Refusal } from './rewrite-nodes.ts';

const list = (names: string): ReadonlySet<string> => new Set(names.split(' '));

/** What graphics processors compute in float16 without harm. */
const safe = list(
  'Abs Add And AveragePool BatchNormalization Ceil Clip Concat Conv ConvTranspose DepthToSpace Div Dropout Elu Equal Erf Expand Flatten Floor Gather ' +
    'GatherElements GatherND Gelu Gemm GlobalMaxPool Greater GreaterOrEqual GRU HardSigmoid HardSwish Identity LayerNormalization LeakyRelu Less ' +
    'LessOrEqual LogSoftmax LSTM MatMul Max MaxPool Min Mish Mul Neg Pad PRelu Relu Reshape Round ScatterElements ScatterND Selu Shape Sigmoid Sign Size Slice ' +
    'Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh ThresholdedRelu Tile Transpose Unsqueeze Where',
);
const reductions = list('GlobalAveragePool ReduceMean ReduceMax ReduceMin');
/** Those whose result is a sum of this many values may leave the range of float16 on the way. */
const summedMax = 1024;

/** Constants of these are bounds and masks: one beyond the range of float16 means "as far as it goes". */
export const bounding = list('Add Sub Where Max Min Clip Pad');

/** Why an operator is not trusted with 16 bits; undefined where it is. */
export function halfRefusal(node: Node, sizes: InferredModel): Refusal | undefined {
  if (safe.has(node.operator)) return hasFloatStatistics(node) ? refuse('form', 'its mean and deviation are float32') : undefined;
  if (!reductions.has(node.operator)) return refuse('operator', 'it is not exact enough in 16 bits, or has no such kernel');
  const summed = summedOf(node, sizes);
  if (summed === undefined) return refuse('shape', 'how many values it sums is known only at run time');
  return summed > summedMax ? refuse('ranges', `it sums ${summed} values, which may leave the range of float16`) : undefined;
}

const hasFloatStatistics = ({ operator, outputs }: Node): boolean => operator === 'LayerNormalization' && outputs.slice(1).some((name) => name !== '');

function summedOf(node: Node, { types, constants }: InferredModel): number | undefined {
  if (node.operator === 'ReduceMax' || node.operator === 'ReduceMin') return 1;
  const dims = types.get(node.inputs[0] ?? '')?.dims;
  if (dims === undefined) return undefined;
  if (node.operator === 'GlobalAveragePool') return elementCount(dims.slice(2));
  const named = constants.get(node.inputs[1] ?? '')?.data;
  const axes = named === undefined ? numbersAttribute(node, 'axes', []) : Array.from(named, Number);
  if (axes.length === 0) return elementCount(dims);
  return axes.reduce((count, axis) => count * (dims.at(axis) ?? 1), 1);
}
