import { numberAttribute, type ElementType } from '../graph.ts';
import { elementTypeCodes } from '../model-file.ts';
import { broadcastAll, broadcastDims, mismatch, same, shapeText, unsupported, type ShapeContext, type ShapeRule } from './rule.ts';

const broadcast = ({ node, input }: ShapeContext): readonly number[] =>
  broadcastAll(
    node,
    node.inputs.map((_, index) => input(index).dims),
  );

const arithmetic: ShapeRule = (context) => {
  const { node, input } = context;
  const types = new Set(node.inputs.map((_, index) => input(index).type));
  if (types.size > 1) throw mismatch(node, `expected inputs of one type, found ${[...types].join(' and ')}`);
  return [{ type: input(0).type, dims: broadcast(context) }];
};

/** The exponent may be of another type than the base. */
const power: ShapeRule = (context) => [{ type: context.input(0).type, dims: broadcast(context) }];

const truth: ShapeRule = (context) => [{ type: 'bool', dims: broadcast(context) }];

const where: ShapeRule = (context) => [{ type: context.input(1).type, dims: broadcast(context) }];

/** The slope broadcasts to the input, never the other way. */
const parametricRelu: ShapeRule = ({ node, input }) => {
  const { type, dims } = input(0);
  const slope = input(1).dims;
  if (broadcastDims(dims, slope)?.join() !== dims.join()) {
    throw mismatch(node, `expected a slope that broadcasts to ${shapeText(dims)}, found ${shapeText(slope)}`);
  }
  return [{ type, dims }];
};

const typeOfCode = new Map(Object.entries(elementTypeCodes).map(([type, code]) => [code, type as ElementType]));

const cast: ShapeRule = ({ node, input }) => {
  const code = numberAttribute(node, 'to', 1);
  const type = typeOfCode.get(code);
  if (type === undefined) throw unsupported(node, `a cast to type ${code}, which is not numeric`);
  return [{ type, dims: input(0).dims }];
};

const castLike: ShapeRule = ({ input }) => [{ type: input(1).type, dims: input(0).dims }];

const dropout: ShapeRule = ({ input }) => [input(0), { type: 'bool', dims: input(0).dims }];

const tableOf = (operators: readonly string[], rule: ShapeRule): Record<string, ShapeRule> => Object.fromEntries(operators.map((operator) => [operator, rule]));

export const elementwiseShapes: Readonly<Record<string, ShapeRule>> = {
  ...tableOf(['Add', 'Sub', 'Mul', 'Div', 'Mod', 'Min', 'Max', 'Sum', 'Mean'], arithmetic),
  ...tableOf(['Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Equal', 'And', 'Or', 'Xor', 'Not', 'IsNaN', 'IsInf'], truth),
  ...tableOf(['Abs', 'Neg', 'Reciprocal', 'Sqrt', 'Exp', 'Log', 'Floor', 'Ceil', 'Round', 'Sign'], same),
  ...tableOf(['Sin', 'Cos', 'Tan', 'Atan', 'Erf', 'Clip', 'Identity'], same),
  ...tableOf(['Relu', 'LeakyRelu', 'ThresholdedRelu', 'Elu', 'Selu', 'Celu', 'Gelu', 'Mish', 'HardSwish'], same),
  ...tableOf(['Sigmoid', 'HardSigmoid', 'Tanh', 'Softplus', 'Softsign', 'Softmax', 'LogSoftmax', 'Hardmax'], same),
  Pow: power,
  Where: where,
  PRelu: parametricRelu,
  Cast: cast,
  CastLike: castLike,
  Dropout: dropout,
};
