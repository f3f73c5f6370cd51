import { numberAttribute, type Model, type Node, type Tensor } from '../../onnx/graph.ts';
import { countReads, createNames, valuesRead } from '../../onnx/scope.ts';
import { observe, type ObserveOptions } from './observe.ts';

/** Two layers with nothing between them that minds a channel being scaled by a positive number. */
export interface Pair {
  readonly first: Node;
  readonly second: Node;
  readonly channels: number;
  /** The value between them that is stored in 8 bits. */
  readonly between: string;
  /** A bound that scaling would move: the pair only stands where no value reaches it. */
  readonly bounded: { readonly node: Node; readonly max: number } | undefined;
}

export interface Equalised {
  readonly model: Model;
  readonly pairs: number;
  /** How many times larger the widest channel is than the median one, in the worst pair, before and after. */
  readonly spread: { readonly before: number; readonly after: number };
}

/** Each does to c * x what it does to x, times c, for every c > 0, channel by channel. */
const homogeneous: ReadonlySet<string> = new Set(['Relu', 'LeakyRelu', 'PRelu', 'Identity']);
const pooling: ReadonlySet<string> = new Set(['MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool']);

/** Pairs of layers in the order of the graph. */
export function findPairs(model: Model): Pair[] {
  const { graph } = model;
  const reads = countReads(graph);
  const readers = new Map<string, Node>();
  for (const node of graph.nodes) for (const name of valuesRead(node)) readers.set(name, node);
  const only = (value: string): Node | undefined => (reads.get(value) === 1 ? readers.get(value) : undefined);

  return graph.nodes.flatMap((first): Pair[] => {
    const channels = outputChannels(model, first);
    if (channels === undefined) return [];
    let value = first.outputs[0] ?? '';
    let between = value;
    let bounded: Pair['bounded'];
    let [pooled, flat] = [false, false];
    for (let node = only(value); node?.domain === '' && node.inputs[0] === value; node = only(value)) {
      if (inputShare(model, node, channels, flat) !== undefined) return [{ first, second: node, channels, between, bounded }];
      const max = upperBound(model, node);
      if (pooling.has(node.operator) && first.operator === 'Conv' && node.outputs.length === 1) pooled = true;
      else if (node.operator === 'Flatten' && numberAttribute(node, 'axis', 1) === 1 && first.operator === 'Conv') flat = true;
      else if (max !== undefined && bounded === undefined) bounded = { node, max };
      else if (!homogeneous.has(node.operator)) return [];
      value = node.outputs[0] ?? '';
      if (!pooled && !flat) between = value;
    }
    return [];
  });
}

/** Of a Clip from 0 to a constant. */
function upperBound({ graph }: Model, node: Node): number | undefined {
  if (node.operator !== 'Clip') return undefined;
  const [low, high] = node.inputs.slice(1, 3).map((name) => graph.initialisers.get(name));
  return Number(low?.data[0]) === 0 && high !== undefined ? Number(high.data[0]) : undefined;
}

/** How many channels a layer puts out whose weights and bias can be scaled; undefined where it is none. */
function outputChannels({ graph }: Model, node: Node): number | undefined {
  const weight = graph.initialisers.get(node.inputs[1] ?? '');
  const axis = outputAxis(node, weight);
  if (node.domain !== '' || weight?.type !== 'float32' || axis === undefined) return undefined;
  const channels = weight.dims[axis] ?? 0;
  const biasName = node.inputs[2] ?? '';
  if (biasName === '') return channels;
  const bias = graph.initialisers.get(biasName);
  return bias?.type === 'float32' && bias.data.length === channels ? channels : undefined;
}

function outputAxis(node: Node, weight: Tensor | undefined): number | undefined {
  if (node.operator === 'Conv') return 0;
  if (node.operator === 'MatMul') return weight?.dims.length === 2 ? 1 : undefined;
  if (node.operator === 'Gemm') return numberAttribute(node, 'transB', 0) === 1 ? 0 : 1;
  return undefined;
}

/** To which of the channels an element of the layer's weight belongs by what it multiplies; undefined where that does not fit. */
function inputShare({ graph }: Model, node: Node, channels: number, flat: boolean): ((index: number) => number) | undefined {
  const weight = graph.initialisers.get(node.inputs[1] ?? '');
  if (weight?.type !== 'float32') return undefined;
  const [rows = 1, columns = 1] = weight.dims;
  if (node.operator === 'Conv' && !flat) {
    const groups = numberAttribute(node, 'group', 1);
    const inner = weight.dims.slice(2).reduce((count, dim) => count * dim, 1);
    if (columns * groups !== channels) return undefined;
    return (index) => Math.floor(Math.floor(index / (inner * columns)) / (rows / groups)) * columns + (Math.floor(index / inner) % columns);
  }
  const isGemm = node.operator === 'Gemm' && numberAttribute(node, 'transA', 0) === 0;
  if (!isGemm && !(node.operator === 'MatMul' && weight.dims.length === 2)) return undefined;
  const transposed = node.operator === 'Gemm' && numberAttribute(node, 'transB', 0) === 1;
  const inputs = transposed ? columns : rows;
  // Flattened, every channel is a block.
  if (flat ? inputs % channels !== 0 : inputs !== channels) return undefined;
  const block = inputs / channels;
  return (index) => Math.floor((transposed ? index % columns : Math.floor(index / columns)) / block);
}

/** Divides the channels between two layers by these numbers: the first puts out less, the second takes more. The function stays. */
export function scaleChannels(model: Model, pair: Pair, factors: ArrayLike<number>): Model {
  const { graph } = model;
  const initialisers = new Map(graph.initialisers);
  const reads = countReads(graph);
  const fresh = createNames(graph);
  const store = (name: string, change: (value: number, index: number) => number): string => {
    const tensor = graph.initialisers.get(name) as Tensor<'float32'>;
    const stored = reads.get(name) === 1 ? name : fresh(name);
    initialisers.set(stored, { ...tensor, data: tensor.data.map(change) });
    return stored;
  };
  const factor = (channel: number): number => factors[channel] ?? 1;
  const nodeOf = (wanted: Node): Node => graph.nodes.find(({ name }) => name === wanted.name) ?? wanted;
  const [first, second] = [nodeOf(pair.first), nodeOf(pair.second)];
  const weight = graph.initialisers.get(first.inputs[1] ?? '') as Tensor;
  const axis = outputAxis(first, weight) ?? 0;
  const inner = weight.dims.slice(axis + 1).reduce((count, dim) => count * dim, 1);
  const share = inputShare(model, second, pair.channels, false) ?? inputShare(model, second, pair.channels, true);
  if (share === undefined) return model;

  const firstInputs = [...first.inputs];
  firstInputs[1] = store(first.inputs[1] ?? '', (value, index) => value / factor(Math.floor(index / inner) % pair.channels));
  if ((first.inputs[2] ?? '') !== '') firstInputs[2] = store(first.inputs[2] ?? '', (value, index) => value / factor(index));
  const secondInputs = second.inputs.with(
    1,
    store(second.inputs[1] ?? '', (value, index) => value * factor(share(index))),
  );
  const nodes = graph.nodes.map((node): Node => {
    if (node === first) return { ...node, inputs: firstInputs };
    if (node === second) return { ...node, inputs: secondInputs };
    // Nothing reaches its upper bound, which scaling would move.
    return node.name === pair.bounded?.node.name ? { ...node, operator: 'Relu', inputs: node.inputs.slice(0, 1) } : node;
  });
  return { ...model, graph: { ...graph, nodes, initialisers } };
}

/**
 * Cross-layer equalisation (Nagel et al. 2019, section 4.1) for weights with a scale a channel and activations with one in all: what needs
 * evening out is the channels of the activation, against what the next layer makes of them.
 */
export async function equalise(model: Model, options: ObserveOptions): Promise<Equalised> {
  const found = findPairs(model);
  const largest = await channelMaxima(model, found, options);
  let current = model;
  let [pairs, before, after] = [0, 1, 1];
  for (const pair of found) {
    const sizes = largest.get(pair.between);
    if (sizes === undefined || !sizes.every(Number.isFinite)) continue;
    if (pair.bounded !== undefined && Math.max(...sizes) >= pair.bounded.max) continue;
    const factors = factorsOf(sizes, importances(current, pair));
    const scaled = sizes.map((size, channel) => size / (factors[channel] ?? 1));
    before = Math.max(before, spreadOf(sizes));
    after = Math.max(after, spreadOf(scaled));
    current = scaleChannels(current, pair, factors);
    pairs += 1;
  }
  return { model: current, pairs, spread: { before, after } };
}

/** Below this share of the largest a channel is taken for silent: what it holds is below any step. */
const silentShare = 2 ** -16;

/** By what to divide each channel, 1 in the (geometric) mean. */
function factorsOf(sizes: Float64Array, important: Float64Array | undefined): Float64Array {
  const floor = Math.max(...sizes) * silentShare;
  const factors = sizes.map((size, channel) => {
    const importance = important?.[channel] ?? 1;
    if (size <= floor || importance <= 0) return 0;
    return important === undefined ? size : Math.sqrt(size / importance);
  });
  const live = factors.filter((factor) => factor > 0);
  const mean = Math.exp(live.reduce((sum, factor) => sum + Math.log(factor), 0) / Math.max(1, live.length));
  return factors.map((factor) => (factor > 0 ? factor / mean : 1));
}

/**
 * The largest weight that meets each channel, as a share of the largest in its output channel, whose scale it has to share. Undefined where every channel has a scale
 * of its own: then the activation is all there is to even out.
 */
function importances(model: Model, pair: Pair): Float64Array | undefined {
  const second = model.graph.nodes.find(({ name }) => name === pair.second.name) ?? pair.second;
  const weight = model.graph.initialisers.get(second.inputs[1] ?? '') as Tensor<'float32'>;
  const share = inputShare(model, second, pair.channels, false) ?? inputShare(model, second, pair.channels, true);
  const axis = outputAxis(second, weight);
  if (share === undefined || axis === undefined || (second.operator === 'Conv' && weight.dims[1] === 1)) return undefined;
  const inner = weight.dims.slice(axis + 1).reduce((count, dim) => count * dim, 1);
  const outputs = weight.dims[axis] ?? 1;
  const outputOf = (index: number): number => Math.floor(index / inner) % outputs;
  const rows = new Float64Array(outputs);
  weight.data.forEach((value, index) => (rows[outputOf(index)] = Math.max(rows[outputOf(index)] ?? 0, Math.abs(value))));
  const result = new Float64Array(pair.channels);
  weight.data.forEach((value, index) => {
    const row = rows[outputOf(index)] ?? 0;
    if (row > 0) result[share(index)] = Math.max(result[share(index)] ?? 0, Math.abs(value) / row);
  });
  return result;
}

async function channelMaxima(model: Model, pairs: readonly Pair[], options: ObserveOptions): Promise<Map<string, Float64Array>> {
  const largest = new Map(pairs.map(({ between, channels }) => [between, new Float64Array(channels)]));
  if (largest.size === 0) return largest;
  const last = new Map(pairs.map(({ between, first }) => [between, first.operator !== 'Conv']));
  await observe(model, [...largest.keys()], options, (values) => {
    for (const [name, { dims, data }] of values) {
      const sizes = largest.get(name) ?? new Float64Array();
      const inner = last.get(name) === true ? 1 : dims.slice(2).reduce((count, dim) => count * dim, 1);
      for (let index = 0; index < data.length; index += 1) {
        const channel = Math.floor(index / inner) % sizes.length;
        const size = Math.abs(data[index] ?? 0);
        if (!(size <= (sizes[channel] ?? 0))) sizes[channel] = size;
      }
    }
  });
  return largest;
}

function spreadOf(sizes: Float64Array): number {
  const sorted = sizes.filter((size) => size > 0).toSorted();
  const middle = sorted[Math.floor(sorted.length / 2)];
  return middle === undefined ? 1 : (sorted.at(-1) ?? 1) / middle;
}
