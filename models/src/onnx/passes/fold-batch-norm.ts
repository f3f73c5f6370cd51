import { inferModel } from '../infer-model.ts';
import { elementCount, float, floats, numberAttribute, type Model, type Node, type Tensor } from '../graph.ts';
import { countReads, createNames } from '../scope.ts';

/** A value times `scale` plus `shift`, a number of each for every channel (axis 1). */
interface Affine {
  readonly input: string;
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

type Weights = ReadonlyMap<string, Tensor>;

/**
 * Batch normalisation, and what else scales and shifts channels by constants, becomes part of the Conv, ConvTranspose
 * or Gemm it follows. A BatchNormalization that follows something else becomes a Mul and an Add.
 */
export function foldBatchNorm(model: Model): Model {
  const { graph } = model;
  const initialisers = new Map(graph.initialisers);
  const fresh = createNames(graph);
  const reads = countReads(graph);
  // Only the number of dimensions matters; any size that kernels fit into will do.
  const { types } = inferModel(model, { tolerant: true, otherwise: 64 });
  const nodes: Node[] = [];
  const makers = new Map<string, number>();
  let changed = false;

  const append = (node: Node): void => {
    for (const output of node.outputs) makers.set(output, nodes.length);
    nodes.push(node);
  };
  /** Under its old name where nobody else reads the old value. */
  const store = (old: string, tensor: Tensor): string => {
    const name = old !== '' && reads.get(old) === 1 ? old : fresh(old === '' ? 'bias' : old);
    initialisers.set(name, tensor);
    reads.set(name, 1);
    return name;
  };

  for (const node of graph.nodes) {
    const place = weightedMaker(node, makers);
    const maker = place === undefined ? undefined : nodes[place];
    const folded = maker === undefined || reads.get(maker.outputs[0] ?? '') !== 1 ? undefined : fold(maker, node, initialisers, store);
    if (folded !== undefined && place !== undefined) {
      nodes[place] = folded;
      makers.set(folded.outputs[0] ?? '', place);
      changed = true;
      continue;
    }
    const rank = types.get(node.inputs[0] ?? '')?.dims.length;
    const affine = rank === undefined ? undefined : normalisation(node, initialisers);
    if (affine === undefined || rank === undefined || rank < 2) {
      append(node);
      continue;
    }
    const along = [affine.scale.length, ...Array.from({ length: rank - 2 }, () => 1)];
    const [scaled, stem] = [fresh(`${node.outputs[0] ?? ''}.scaled`), node.outputs[0] ?? ''];
    const part = (operator: string, inputs: string[], output: string): Node => ({
      operator,
      domain: '',
      name: '',
      inputs,
      outputs: [output],
      attributes: {},
    });
    append(part('Mul', [affine.input, store('', floats(along, affine.scale))], scaled));
    append(part('Add', [scaled, store('', floats(along, affine.shift))], stem));
    reads.set(scaled, 1);
    changed = true;
  }
  return changed ? { ...model, graph: { ...graph, nodes, initialisers } } : model;
}

const weighted: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Gemm']);

/** Where the node lies whose result this one scales or shifts. */
function weightedMaker(node: Node, makers: ReadonlyMap<string, number>): number | undefined {
  if (node.domain !== '' || !affineOperators.has(node.operator)) return undefined;
  return node.inputs.map((name) => makers.get(name)).find((place) => place !== undefined);
}
const affineOperators: ReadonlySet<string> = new Set(['BatchNormalization', 'Mul', 'Div', 'Add', 'Sub']);

function fold(maker: Node, node: Node, weights: Weights, store: (old: string, tensor: Tensor) => string): Node | undefined {
  if (maker.domain !== '' || !weighted.has(maker.operator) || maker.outputs.length !== 1) return undefined;
  const weight = weights.get(maker.inputs[1] ?? '');
  if (weight?.type !== 'float32' || weight.data.length === 0) return undefined;
  const channelOf = outputChannel(maker, weight.dims);
  const { channels } = channelOf;
  const bias = biasOf(maker, weights, channels);
  const affine = bias === undefined ? undefined : affineOf(node, weights, channels, weight.dims.length);
  if (bias === undefined || affine === undefined || affine.input !== maker.outputs[0]) return undefined;
  const { scale, shift } = affine;

  const scaled = Float32Array.from(weight.data as Float32Array, (value, index) => value * (scale[channelOf.of(index)] ?? 1));
  const shifted = Float32Array.from(bias, (value, channel) => value * (scale[channel] ?? 1) + (shift[channel] ?? 0));
  // Weights of which a product overflows say that this normalisation was never meant to be folded.
  if (!scaled.every(Number.isFinite) || !shifted.every(Number.isFinite)) return undefined;
  const inputs = [
    maker.inputs[0] ?? '',
    scale.every((value) => value === 1) ? (maker.inputs[1] ?? '') : store(maker.inputs[1] ?? '', { type: 'float32', dims: weight.dims, data: scaled }),
    store(maker.inputs[2] ?? '', floats([channels], shifted)),
  ];
  const attributes = maker.operator === 'Gemm' ? { ...maker.attributes, beta: float(1) } : maker.attributes;
  return { ...maker, inputs, attributes, outputs: [node.outputs[0] ?? ''] };
}

/** How many channels come out, and to which of them an element of the weight belongs. */
function outputChannel(maker: Node, dims: readonly number[]): { channels: number; of: (index: number) => number } {
  const inner = (from: number): number => elementCount(dims.slice(from));
  const [first = 1, second = 1] = dims;
  if (maker.operator === 'Conv') return { channels: first, of: (index) => Math.floor(index / inner(1)) };
  if (maker.operator === 'Gemm') {
    const isTransposed = numberAttribute(maker, 'transB', 0) === 1;
    return { channels: isTransposed ? first : second, of: (index) => (isTransposed ? Math.floor(index / second) : index % second) };
  }
  const group = numberAttribute(maker, 'group', 1);
  const [perInput, each] = [inner(1), inner(2)];
  const inputsPerGroup = first / group;
  return {
    channels: second * group,
    of: (index) => Math.floor(Math.floor(index / perInput) / inputsPerGroup) * second + Math.floor((index % perInput) / each),
  };
}

/** The bias a channel as the maker applies it; undefined where it is no constant a channel. */
function biasOf(maker: Node, weights: Weights, channels: number): Float64Array | undefined {
  const name = maker.inputs[2] ?? '';
  if (name === '') return new Float64Array(channels);
  const bias = weights.get(name);
  if (bias === undefined) return undefined;
  const values = perChannel(bias, channels, maker.operator === 'Gemm' ? 2 : 1, maker.operator === 'Gemm' ? 1 : 0);
  const beta = maker.operator === 'Gemm' ? numberAttribute(maker, 'beta', 1) : 1;
  return values?.map((value) => value * beta);
}

/** A constant that broadcasts along one axis only, as one number a channel. */
function perChannel(tensor: Tensor, channels: number, rank: number, axis: number): Float64Array | undefined {
  if (tensor.type !== 'float32' || tensor.dims.length > rank) return undefined;
  const dims = [...Array.from({ length: rank - tensor.dims.length }, () => 1), ...tensor.dims];
  if (dims.some((dim, each) => dim !== 1 && !(each === axis && dim === channels))) return undefined;
  return Float64Array.from({ length: channels }, (_, channel) => Number(tensor.data[tensor.data.length === 1 ? 0 : channel]));
}

function affineOf(node: Node, weights: Weights, channels: number, rank: number): Affine | undefined {
  if (node.operator === 'BatchNormalization') {
    const affine = normalisation(node, weights);
    return affine?.scale.length === channels ? affine : undefined;
  }
  const [left = '', right = ''] = node.inputs;
  const other = weights.get(right) ?? weights.get(left);
  const values = other === undefined ? undefined : perChannel(other, channels, rank, 1);
  if (values === undefined) return undefined;
  const isConstantFirst = !weights.has(right);
  const input = isConstantFirst ? right : left;
  const [ones, zeros] = [new Float64Array(channels).fill(1), new Float64Array(channels)];
  switch (node.operator) {
    case 'Mul':
      return { input, scale: values, shift: zeros };
    case 'Div':
      return isConstantFirst ? undefined : { input, scale: values.map((value) => 1 / value), shift: zeros };
    case 'Add':
      return { input, scale: ones, shift: values };
    case 'Sub':
      return isConstantFirst ? { input, scale: ones.map((one) => -one), shift: values } : { input, scale: ones, shift: values.map((value) => -value) };
    default:
      return undefined;
  }
}

/** What a BatchNormalization does once it has learnt; undefined while it learns. */
function normalisation(node: Node, weights: Weights): Affine | undefined {
  if (node.operator !== 'BatchNormalization' || node.domain !== '' || node.outputs.slice(1).some((name) => name !== '')) return undefined;
  if (numberAttribute(node, 'training_mode', 0) !== 0 || numberAttribute(node, 'spatial', 1) !== 1) return undefined;
  const [scale, bias, mean, variance] = node.inputs.slice(1, 5).map((name) => weights.get(name));
  const channels = scale?.data.length;
  for (const tensor of [scale, bias, mean, variance]) if (tensor?.type !== 'float32' || tensor.data.length !== channels) return undefined;
  const epsilon = numberAttribute(node, 'epsilon', 1e-5);
  const at = (tensor: Tensor | undefined, channel: number): number => Number(tensor?.data[channel]);
  const factors = Float64Array.from({ length: channels ?? 0 }, (_, channel) => at(scale, channel) / Math.sqrt(at(variance, channel) + epsilon));
  const shift = factors.map((factor, channel) => at(bias, channel) - at(mean, channel) * factor);
  if (!factors.every(Number.isFinite) || !shift.every(Number.isFinite)) return undefined;
  return { input: node.inputs[0] ?? '', scale: factors, shift };
}
