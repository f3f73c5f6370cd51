import { elementTypeCodes } from '../onnx/model-file.ts';
import { elementCount, floats, int, type Model, type Node, type Tensor } from '../onnx/graph.ts';
import { checkFinite } from './dynamic.ts';
import { isProduct, readProduct, weightsMin, type Product } from './products.ts';
import { refuse, rewriteNodes, type NodeTools, type Refusal, type Rewritten } from './rewrite-nodes.ts';
import { packBytes } from './weight-bytes.ts';
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
 * Other large weights are stored as int8 with scales along both channels whatever `bits` says, and become float when the model
 * is loaded: a smaller file, the same speed. In WASM the runtime has no fast MatMulNBits (2 to 16 times as long as float):
 * a browser keeps it only where it measured it faster. Takes a prepared model.
 */
export function quantiseWeights(model: Model, options: WeightOnlyOptions): Rewritten {
  const { bits, blockSize = 32, zeroPoints = bits === 4, exclude = new Set() } = options;
  return rewriteNodes(model, exclude, (node, tools) => {
    if (Object.hasOwn(weightInputs, node.operator)) return storedInBytes(node, tools);
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

/** Which input of an operator holds its weights. */
const weightInputs: Readonly<Record<string, number>> = { Conv: 1, ConvTranspose: 1, Gather: 0 };

/**
 * A DequantizeLinear would be run at every call, and keep the runtime from its blocked Conv kernels (1.27 times as long);
 * a Cast and a Mul of constants are folded when the model is loaded.
 */
function storedInBytes(node: Node, tools: NodeTools): Node | Refusal {
  const place = weightInputs[node.operator] ?? 0;
  const name = node.inputs[place] ?? '';
  const weight = tools.graph.initialisers.get(name);
  if (weight === undefined) return refuse('form', 'its weights are computed');
  if (weight.type !== 'float32') return refuse('type', `its weights are ${weight.type}`);
  const count = elementCount(weight.dims);
  if (count < weightsMin) return refuse('cost', `it has ${count} weights; below ${weightsMin} nothing is won`);
  const values = weight as Tensor<'float32'>;
  const refusal = checkFinite({ weight: values });
  if (refusal !== undefined) return refusal;
  const restored = tools.once(`bytes ${name}`, () => {
    const { data, rows, columns } = packBytes(values);
    const bytes = tools.constant({ type: 'int8', dims: weight.dims, data }, `${name}.int8`);
    const real = tools.add('Cast', [bytes], { to: int(elementTypeCodes.float32) });
    const along = (axis: number, scales: Float32Array): string =>
      tools.constant(
        floats(
          weight.dims.map((_, index) => (index === axis ? scales.length : 1)),
          scales,
        ),
        `${name}.scale`,
      );
    const scaled = tools.add('Mul', [real, along(0, rows)]);
    return weight.dims.length < 2 ? scaled : tools.add('Mul', [scaled, along(1, columns)]);
  });
  return { ...node, inputs: node.inputs.map((each, index) => (index === place ? restored : each)) };
}
