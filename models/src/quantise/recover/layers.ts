import { elementCount, floats, int, numberAttribute, type Graph, type Model, type Node, type Tensor } from '../../onnx/graph.ts';
import { removeDeadCode } from '../../onnx/passes/remove-dead-code.ts';
import { createNames } from '../../onnx/scope.ts';
import { quantiseBias, roundHalfEven } from '../parameters.ts';

/** A layer of an 8-bit graph whose weights are stored in few bits. */
export interface QuantisedLayer {
  readonly node: Node;
  /** Step of its input. */
  readonly inputScale: number;
  readonly weight: StoredWeight;
  /** As real numbers; undefined where it has none. */
  readonly bias: Float32Array | undefined;
}

export interface StoredWeight {
  readonly tensor: Tensor<'int8'> | Tensor<'uint8'>;
  /** One a channel along `axis`, or a single one. */
  readonly scales: Float32Array;
  readonly zeroPoint: number;
  readonly axis: number;
}

const layerOperators: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);

/** By the name of their node, in the order of the graph. */
export function quantisedLayers({ graph }: Model): Map<string, QuantisedLayer> {
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const layers = new Map<string, QuantisedLayer>();
  for (const node of graph.nodes) {
    if (node.domain !== '' || !layerOperators.has(node.operator)) continue;
    const [input, weight, bias] = node.inputs.map((name) => makers.get(name));
    const [inputScale] = scalesOf(graph, input) ?? [];
    const stored = storedWeight(graph, weight);
    if (inputScale === undefined || stored === undefined) continue;
    const hasBias = (node.inputs[2] ?? '') !== '';
    const values = storedBias(graph, bias);
    // A bias that is no constant is nobody's to change.
    if (hasBias && values === undefined) continue;
    layers.set(node.name, { node, inputScale, weight: stored, bias: values });
  }
  return layers;
}

function scalesOf(graph: Graph, reader: Node | undefined): Float32Array | undefined {
  if (reader?.operator !== 'DequantizeLinear') return undefined;
  const scales = graph.initialisers.get(reader.inputs[1] ?? '');
  return scales?.type === 'float32' ? (scales.data as Float32Array) : undefined;
}

function storedWeight(graph: Graph, reader: Node | undefined): StoredWeight | undefined {
  const [scales, tensor] = [scalesOf(graph, reader), graph.initialisers.get(reader?.inputs[0] ?? '')];
  if (reader === undefined || scales === undefined || (tensor?.type !== 'int8' && tensor?.type !== 'uint8')) return undefined;
  const zeroPoints = graph.initialisers.get(reader.inputs[2] ?? '');
  const axis = numberAttribute(reader, 'axis', 1);
  return {
    tensor: tensor as Tensor<'int8'> | Tensor<'uint8'>,
    scales,
    zeroPoint: Number(zeroPoints?.data[0] ?? 0),
    axis: axis < 0 ? axis + tensor.dims.length : axis,
  };
}

function storedBias(graph: Graph, reader: Node | undefined): Float32Array | undefined {
  const [scales, tensor] = [scalesOf(graph, reader), graph.initialisers.get(reader?.inputs[0] ?? '')];
  if (scales === undefined || tensor?.type !== 'int32') return undefined;
  return Float32Array.from(tensor.data as Int32Array, (value, channel) => value * (scales[scales.length === 1 ? 0 : channel] ?? 1));
}

/** Which of the scales an element of a tensor has. */
export function channelOf(dims: readonly number[], axis: number): (index: number) => number {
  const inner = elementCount(dims.slice(axis + 1));
  const channels = dims[axis] ?? 1;
  return (index) => Math.floor(index / inner) % channels;
}

/** What a layer gets instead of what it has. */
export interface LayerEdit {
  readonly weight?: { readonly values: Float32Array; readonly scales: Float32Array; readonly largest: number };
  readonly bias?: Float32Array;
}

/** The 8-bit graph with other numbers in some of its layers; scales of biases follow those of weights. */
export function editLayers(model: Model, edits: ReadonlyMap<string, LayerEdit>): Model {
  const { graph } = model;
  const layers = quantisedLayers(model);
  const fresh = createNames(graph);
  const initialisers = new Map(graph.initialisers);
  const store = (hint: string, tensor: Tensor): string => {
    const name = fresh(hint);
    initialisers.set(name, tensor);
    return name;
  };
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const [layer, edit] = [layers.get(node.name), edits.get(node.name)];
    if (layer === undefined || edit === undefined || layer.node !== node) return [node];
    const readers: Node[] = [];
    const read = (hint: string, inputs: string[], axis: number): string => {
      const output = fresh(hint);
      readers.push({ operator: 'DequantizeLinear', domain: '', name: output, inputs, outputs: [output], attributes: { axis: int(axis) } });
      return output;
    };
    const { tensor, axis, zeroPoint } = layer.weight;
    const scales = edit.weight?.scales ?? layer.weight.scales;
    const inputs = [...node.inputs];
    if (edit.weight !== undefined) {
      const { type, dims } = tensor;
      const zeros = tensor.data.slice(0, scales.length).fill(zeroPoint);
      const scaleDims = scales.length === 1 ? [] : [scales.length];
      const names = [
        store(`${node.name}.${type}`, storeWeight(tensor, edit.weight, axis, zeroPoint)),
        store(`${node.name}.scale`, floats(scaleDims, scales)),
        store(`${node.name}.zero_point`, { type, dims: scaleDims, data: zeros } as Tensor),
      ];
      inputs[1] = read(`${node.name}.weight`, names, dims.length === 1 ? 0 : axis);
    }
    const bias = edit.bias ?? layer.bias;
    if (bias !== undefined) {
      const biasScales = Float32Array.from(bias, (_, channel) => (scales[scales.length === 1 ? 0 : channel] ?? 1) * layer.inputScale);
      const data = Int32Array.from(bias, (value, channel) => quantiseBias(value, biasScales[channel] ?? 1));
      const names = [
        store(`${node.name}.bias.int32`, { type: 'int32', dims: [bias.length], data }),
        store(`${node.name}.bias.scale`, floats([bias.length], biasScales)),
      ];
      inputs[2] = read(`${node.name}.bias`, names, 0);
    }
    return [...readers, { ...node, inputs }];
  });
  return removeDeadCode({ ...model, graph: { ...graph, nodes, initialisers } });
}

function storeWeight(like: Tensor, { values, scales, largest }: NonNullable<LayerEdit['weight']>, axis: number, zeroPoint: number): Tensor {
  const channel = channelOf(like.dims, axis);
  const data = (like.data as Int8Array).slice();
  values.forEach((value, index) => {
    const steps = roundHalfEven(value / (scales[scales.length === 1 ? 0 : channel(index)] ?? 1));
    data[index] = Math.min(largest, Math.max(-largest, steps)) + zeroPoint;
  });
  return { ...like, data };
}
