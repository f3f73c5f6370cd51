import { elementTypeCodes } from '../onnx/model-file.ts';
import { floats, int, type Model, type Node } from '../onnx/graph.ts';
import { quantiseWeight, weightScale, type WeightBits } from './parameters.ts';
import { isProduct, readProduct, type Product } from './products.ts';
import { refuse, rewriteNodes, type NodeTools, type Refusal, type Rewritten } from './rewrite-nodes.ts';

export interface DynamicOptions {
  /** 7 computes the same on every machine, 8 is finer where VNNI or its like is certain. */
  readonly weightBits?: WeightBits;
  /** Names of nodes that stay float. */
  readonly exclude?: ReadonlySet<string>;
}

/**
 * Products whose input is quantised as it comes, weights int8 per channel: no calibration. The runtime fuses what is
 * written here into one kernel. Takes a prepared model.
 */
export function quantiseDynamic(model: Model, { weightBits = 7, exclude = new Set() }: DynamicOptions = {}): Rewritten {
  return rewriteNodes(model, exclude, (node, tools) => {
    // As ConvInteger with a range per call it took four times as long as in float.
    if (node.operator === 'Conv') return refuse('cost', 'a Conv is faster in float than with a range measured at every call');
    if (!isProduct(node)) return refuse('operator', 'only products are quantised as they run');
    const product = readProduct(tools.graph, node);
    return 'reason' in product ? product : (checkFinite(product) ?? integerProduct(node, product, weightBits, tools));
  });
}

export const checkFinite = ({ weight }: Pick<Product, 'weight'>): Refusal | undefined =>
  weight.data.every((value) => Number.isFinite(value)) ? undefined : refuse('ranges', 'some of its weights are not finite');

function integerProduct(node: Node, product: Product, bits: WeightBits, tools: NodeTools): Node {
  const { input, weightName, width, bias } = product;
  const output = node.outputs[0] ?? '';
  const bytes = tools.once(`input ${input}`, () => {
    const names = ['bytes', 'scale', 'zero_point'].map((part) => tools.fresh(`${input}.${part}`));
    tools.add('DynamicQuantizeLinear', [input], {}, names);
    return { name: names[0] ?? '', scale: names[1] ?? '', zeroPoint: names[2] ?? '' };
  });
  const weight = tools.once(`weight ${weightName} ${product.columnStep}`, () => {
    const { data, scales } = quantiseColumns(product, bits);
    return {
      name: tools.constant({ type: 'int8', dims: [product.depth, width], data }, `${weightName}.int8`),
      scale: tools.constant(floats([width], scales), `${weightName}.scale`),
      zeroPoint: tools.constant({ type: 'int8', dims: [width], data: new Int8Array(width) }, `${weightName}.zero_point`),
    };
  });
  const sums = tools.add('MatMulInteger', [bytes.name, weight.name, bytes.zeroPoint, weight.zeroPoint]);
  const real = tools.add('Cast', [sums], { to: int(elementTypeCodes.float32) });
  const scale = tools.add('Mul', [bytes.scale, weight.scale]);
  const last = { domain: '', name: node.name, attributes: {}, outputs: [output] };
  if (bias === '') return { ...last, operator: 'Mul', inputs: [real, scale] };
  return { ...last, operator: 'Add', inputs: [tools.add('Mul', [real, scale]), bias] };
}

/** Every column of the weights with a scale of its own, as [depth, width]. */
function quantiseColumns({ weight, depth, width, rowStep, columnStep }: Product, bits: WeightBits): { data: Int8Array; scales: Float32Array } {
  const data = new Int8Array(depth * width);
  const scales = new Float32Array(width);
  for (let column = 0; column < width; column += 1) {
    const at = (row: number): number => weight.data[row * rowStep + column * columnStep] as number;
    let largest = 0;
    for (let row = 0; row < depth; row += 1) largest = Math.max(largest, Math.abs(at(row)));
    const scale = weightScale(largest, bits);
    scales[column] = scale;
    for (let row = 0; row < depth; row += 1) data[row * width + column] = quantiseWeight(at(row), scale, bits);
  }
  return { data, scales };
}
