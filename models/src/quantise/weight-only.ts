import { elementTypeCodes } from '../onnx/model-file.ts';
import { elementCount, floats, int, numberAttribute, type Model, type Node, type Tensor } from '../onnx/graph.ts';
import { checkFinite } from './dynamic.ts';
import { quantiseWeight, weightScale } from './parameters.ts';
import { isProduct, readProduct, weightsMin, type Product } from './products.ts';
import { refuse, rewriteNodes, type NodeTools, type Refusal, type Rewritten } from './rewrite-nodes.ts';
import { packBlocks, type BlockLayout } from './weight-blocks.ts';

export interface WeightOnlyOptions {
  readonly bits: 4 | 8;
  /** Weights of a column that share a scale. */
  readonly blockSize?: 16 | 32 | 64 | 128 | 256;
  /** Zero points of their own for the blocks; unless said otherwise with 4 bits, where every step counts. */
  readonly zeroPoints?: boolean;
  /** Names of nodes that stay float. */
  readonly exclude?: ReadonlySet<string>;
}

/** The kernel quantises its input to 8 bits: at level 0, which does not, 8-bit weights took 65 times as long. */
const accuracyLevel = 4;

/**
 * Weights in 4 or 8 bits, everything between in float. Products become MatMulNBits, which reads the bits as they are.
 * Other large weights are stored as int8 with a scale a channel whatever `bits` says, and become float when the model
 * is loaded: a smaller file, the same speed. Takes a prepared model.
 */
export function quantiseWeights(model: Model, options: WeightOnlyOptions): Rewritten {
  const { bits, blockSize = 32, zeroPoints = bits === 4, exclude = new Set() } = options;
  return rewriteNodes(model, exclude, (node, tools) => {
    if (node.operator in channelAxes) return storedInBytes(node, tools);
    if (!isProduct(node)) return refuse('operator', 'it has no weights that are stored in few bits');
    const product = readProduct(tools.graph, node);
    return 'reason' in product ? product : (checkFinite(product) ?? blockProduct(node, product, { bits, blockSize, zeroPoints }, tools));
  });
}

function blockProduct(node: Node, product: Product, layout: BlockLayout, tools: NodeTools): Node {
  const { input, weightName, depth, width, bias } = product;
  const { bits, blockSize } = layout;
  const stored = tools.once(`blocks ${weightName} ${product.columnStep}`, () => {
    const { data, scales, zeroPoints, blocks } = packBlocks(product, layout);
    return [
      tools.constant({ type: 'uint8', dims: [width, blocks, (blockSize * bits) / 8], data }, `${weightName}.bits`),
      tools.constant(floats([width * blocks], scales), `${weightName}.scale`),
      ...(zeroPoints === undefined ? [] : [tools.constant({ type: 'uint8', dims: [zeroPoints.length], data: zeroPoints }, `${weightName}.zero_point`)]),
    ];
  });
  const attributes = { K: int(depth), N: int(width), bits: int(bits), block_size: int(blockSize), accuracy_level: int(accuracyLevel) };
  const inputs = [input, ...stored];
  const [output = ''] = node.outputs;
  const tensor = tools.graph.initialisers.get(bias);
  if (bias === '' || (tensor !== undefined && elementCount(tensor.dims) === width)) {
    const flat =
      bias === '' ? '' : tools.once(`bias ${bias}`, () => (tensor?.dims.length === 1 ? bias : tools.constant({ ...(tensor as Tensor), dims: [width] }, bias)));
    const all = flat === '' ? inputs : [...inputs, ...Array.from({ length: 5 - inputs.length }, () => ''), flat];
    return { operator: 'MatMulNBits', domain: 'com.microsoft', name: node.name, inputs: all, outputs: [output], attributes };
  }
  const product32 = tools.add('MatMulNBits', inputs, attributes, undefined, 'com.microsoft');
  return { operator: 'Add', domain: '', name: node.name, inputs: [product32, bias], outputs: [output], attributes: {} };
}

/** Where the weights of an operator are, and the axis along which each has a scale. */
const channelAxes: Readonly<Record<string, { input: number; axis: number }>> = {
  Conv: { input: 1, axis: 0 },
  ConvTranspose: { input: 1, axis: 1 },
  Gather: { input: 0, axis: 0 },
};

/**
 * A DequantizeLinear would be run at every call, and keep the runtime from its blocked Conv kernels (1.27 times as long);
 * a Cast and a Mul of constants are folded when the model is loaded.
 */
function storedInBytes(node: Node, tools: NodeTools): Node | Refusal {
  const { input, axis: usual } = channelAxes[node.operator] ?? { input: 1, axis: 0 };
  const name = node.inputs[input] ?? '';
  const weight = tools.graph.initialisers.get(name);
  if (weight === undefined) return refuse('form', 'its weights are computed');
  if (weight.type !== 'float32') return refuse('type', `its weights are ${weight.type}`);
  const count = elementCount(weight.dims);
  if (count < weightsMin) return refuse('cost', `it has ${count} weights; below ${weightsMin} nothing is won`);
  const values = weight as Tensor<'float32'>;
  const refusal = checkFinite({ weight: values });
  if (refusal !== undefined) return refusal;
  // Channels of a grouped ConvTranspose are spread over both axes: one scale for an input channel serves.
  const axis = node.operator === 'ConvTranspose' && numberAttribute(node, 'group', 1) !== 1 ? 0 : usual;
  const restored = tools.once(`bytes ${name} ${axis}`, () => {
    const { data, scales, dims } = quantiseAlong(values, axis);
    const bytes = tools.constant({ type: 'int8', dims: weight.dims, data }, `${name}.int8`);
    const real = tools.add('Cast', [bytes], { to: int(elementTypeCodes.float32) });
    return tools.add('Mul', [real, tools.constant(floats(dims, scales), `${name}.scale`)]);
  });
  return { ...node, inputs: node.inputs.map((each, index) => (index === input ? restored : each)) };
}

function quantiseAlong({ data, dims }: Tensor<'float32'>, axis: number): { data: Int8Array; scales: Float32Array; dims: number[] } {
  const channels = dims[axis] ?? 1;
  const inner = elementCount(dims.slice(axis + 1));
  const channelOf = (index: number): number => Math.floor(index / inner) % channels;
  const largest = new Float64Array(channels);
  data.forEach((value, index) => {
    const channel = channelOf(index);
    largest[channel] = Math.max(largest[channel] ?? 0, Math.abs(value));
  });
  const scales = Float32Array.from(largest, (value) => weightScale(value, 8));
  return {
    data: Int8Array.from(data, (value, index) => quantiseWeight(value, scales[channelOf(index)] ?? 1, 8)),
    scales,
    dims: dims.map((dim, index) => (index === axis ? dim : 1)),
  };
}
