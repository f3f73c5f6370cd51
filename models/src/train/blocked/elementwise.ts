import { elementCount, floats, int, type Node } from '../../onnx/graph.ts';
import { reducedAxes } from '../../onnx/shape-rules/reduction.ts';
import { inMemory, type BlockedWriter } from './writer.ts';

/** Operators on each element by itself: the order of elements is nothing to them. */
const operators = new Set(
  `Abs Add And Cast Ceil Clip Cos Div Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual HardSigmoid HardSwish Identity LeakyRelu Less LessOrEqual Log Max
  Mean Min Mish Mul Neg Not Or Pow Reciprocal Relu Round Selu Sigmoid Sign Sin Softplus Softsign Sqrt Sub Sum Tanh ThresholdedRelu Where Xor`.split(/\s+/),
);

export const isElementwise = (operator: string): boolean => operators.has(operator);

/** Works in blocks where something it reads is in blocks already, and all it reads can be. */
export function blockedElementwise(writer: BlockedWriter, node: Node): boolean {
  const { type, block } = writer;
  const [y = ''] = node.outputs;
  if (node.outputs.length !== 1 || !writer.fits(y) || !node.inputs.some((name) => name !== '' && writer.isBlocked(name))) return false;
  const { dims } = type(y);
  const channels = dims[1] ?? 0;
  const isWhole = (name: string): boolean => type(name).dims.join() === dims.join();
  const isSingle = (name: string): boolean => elementCount(type(name).dims) === 1;
  const inputs = node.inputs.filter((name) => name !== '');
  if (!inputs.every((name) => isSingle(name) || writer.isBlocked(name) || type(name).type === 'float32' || !isWhole(name))) return false;

  if (inputs.every((name) => isWhole(name) || isSingle(name))) {
    const read = node.inputs.map((name) => (name !== '' && isWhole(name) ? writer.blocked(name) : writer.plain(name)));
    writer.keep(y, writer.add(node.operator, read, node.attributes));
    return true;
  }
  // Something is spread over the picture: a number for each channel has the same place in memory either way.
  const views = inputs.map((name) => {
    const shape = type(name).dims;
    const [batch = 1, depth = 1, height = 1, width = 1] = [...Array.from({ length: 4 - shape.length }, () => 1), ...shape];
    if (shape.length > 4 || (depth !== 1 && depth !== channels)) return undefined;
    const spread = [batch, depth === 1 ? 1 : depth / block, height, width, depth === 1 ? 1 : block];
    if (isSingle(name)) return () => writer.plain(name);
    if (depth === 1 || height * width === 1) return () => writer.reshape(writer.plain(name), spread);
    return shape.length === 4 ? () => writer.reshape(writer.blocked(name), spread) : undefined;
  });
  if (!views.every((view) => view !== undefined)) return false;
  const made = writer.add(
    node.operator,
    views.map((view) => view()),
    node.attributes,
  );
  writer.keep(y, writer.reshape(made, dims));
  return true;
}

/**
 * Sums over everything but the channels. The sum over a picture is a product with ones, which is done many times as fast
 * as the runtime's reduction over an axis that is not the last.
 */
export function blockedReduceSum(writer: BlockedWriter, node: Node): boolean {
  const [x = '', axes = ''] = node.inputs;
  const [y = ''] = node.outputs;
  const given = writer.constant(axes);
  if (!writer.isBlocked(x) || writer.type(x).type !== 'float32' || given === undefined) return false;
  if (
    reducedAxes(node, given, 4)
      .toSorted((a, b) => a - b)
      .join() !== '0,2,3'
  )
    return false;
  const [batch, blocks, height, width, block] = inMemory(writer, x);
  // With one block all examples are one picture.
  const [pictures, pixels] = blocks === 1 ? [1, batch * height * width] : [batch * blocks, height * width];
  const ones = writer.builder.constant(floats([1, pixels], new Float32Array(pixels).fill(1)));
  const each = writer.add('MatMul', [ones, writer.reshape(writer.blocked(x), [pictures, pixels, block])]);
  const sums = pictures === 1 ? each : writer.add('ReduceSum', [writer.reshape(each, [batch, blocks * block]), writer.longs([0])], { keepdims: int(0) });
  writer.make(y, 'Reshape', [sums, writer.longs(writer.type(y).dims)]);
  return true;
}
