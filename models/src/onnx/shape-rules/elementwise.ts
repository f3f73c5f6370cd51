import { SerinError } from '@serin/protocol/errors';

import { numberAttribute, type ElementType } from '../graph.ts';
import { broadcastAll, same, type ShapeContext, type ShapeRule } from './rule.ts';

const broadcast = ({ node, input }: ShapeContext): readonly number[] =>
  broadcastAll(
    node,
    node.inputs.map((_, index) => input(index).dims),
  );

const arithmetic: ShapeRule = (context) => [{ type: context.input(0).type, dims: broadcast(context) }];

const truth: ShapeRule = (context) => [{ type: 'bool', dims: broadcast(context) }];

const where: ShapeRule = (context) => [{ type: context.input(1).type, dims: broadcast(context) }];

const cast: ShapeRule = ({ node, input }) => {
  const type = elementTypeOfCode[numberAttribute(node, 'to', 1)];
  if (type === undefined) throw new SerinError('MODEL_UNSUPPORTED', { detail: 'Cast to a type that is not numeric' });
  return [{ type, dims: input(0).dims }];
};

/** TensorProto.DataType, the types a cast is met with. */
const elementTypeOfCode: Readonly<Record<number, ElementType>> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  6: 'int32',
  7: 'int64',
  9: 'bool',
  10: 'float16',
  11: 'float64',
};

export const elementwiseShapes: Readonly<Record<string, ShapeRule>> = {
  Add: arithmetic,
  Sub: arithmetic,
  Mul: arithmetic,
  Div: arithmetic,
  Greater: truth,
  Where: where,
  Relu: same,
  Neg: same,
  Exp: same,
  Log: same,
  Sqrt: same,
  Reciprocal: same,
  Sigmoid: same,
  Tanh: same,
  Softmax: same,
  LogSoftmax: same,
  Identity: same,
  Cast: cast,
};
