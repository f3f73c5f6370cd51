import { floats, int, scalar, type Model, type Node, type Tensor } from '../../onnx/graph.ts';
import { createNames } from '../../onnx/scope.ts';
import { channelOf, quantisedLayers, type LayerEdit, type QuantisedLayer, type StoredWeight } from './layers.ts';
import { isLayer } from './observe.ts';

/** An 8-bit graph whose weights are real numbers again, rounded on the way as they will be when they are stored. */
export interface TrainableGraph {
  readonly model: Model;
  /** Names of the weights and biases that learn. */
  readonly trainable: readonly string[];
  /** What the layers of the 8-bit graph become with these values of the trainable tensors. */
  edits(values: ReadonlyMap<string, Tensor>): Map<string, LayerEdit>;
}

interface Latent {
  /** In steps of its channel, so that a learning rate means the same in all of them. */
  readonly weight: string;
  /** In units of its channel. */
  readonly bias: string | undefined;
  readonly units: Float32Array;
  readonly layer: QuantisedLayer;
}

/** So many steps of the accumulator are a unit of a bias: what one step of a weight makes of a middling input. */
const biasSteps = 64;

/**
 * The graph that ships, made to learn: QuantizeLinear and DequantizeLinear of activations stay where they are, weights are floats that pass through a
 * pair of their own with the scales they are stored in, biases are plain floats.
 */
export function trainableGraph(float: Model, quantised: Model, largest: number): TrainableGraph {
  const { graph } = quantised;
  const layers = quantisedLayers(quantised);
  const sources = new Map(float.graph.nodes.filter((node) => isLayer(float, node)).map((node) => [node.name, node]));
  const fresh = createNames(graph);
  const initialisers = new Map(graph.initialisers);
  const store = (hint: string, tensor: Tensor): string => {
    const name = fresh(hint);
    initialisers.set(name, tensor);
    return name;
  };
  const latents = new Map<string, Latent>();

  const nodes = graph.nodes.flatMap((node): Node[] => {
    const layer = layers.get(node.name);
    if (layer?.node !== node) return [node];
    const { weight, bias, inputScale } = layer;
    const scaleOf = scaleOfElement(weight);
    const source = float.graph.initialisers.get(sources.get(node.name)?.inputs[1] ?? '');
    const given = source?.dims.join() === weight.tensor.dims.join() ? (source.data as Float32Array) : undefined;
    const steps = Float32Array.from(weight.tensor.data, (value, index) =>
      given === undefined ? value - weight.zeroPoint : (given[index] ?? 0) / scaleOf(index),
    );
    const units = Float32Array.from(bias ?? [], (_, channel) => (weight.scales[weight.scales.length === 1 ? 0 : channel] ?? 1) * inputScale * biasSteps);
    const names: Latent = {
      weight: store(`${node.name}.latent`, { type: 'float32', dims: weight.tensor.dims, data: steps }),
      bias:
        bias === undefined
          ? undefined
          : store(
              `${node.name}.latent_bias`,
              floats(
                [bias.length],
                bias.map((value, channel) => value / (units[channel] ?? 1)),
              ),
            ),
      units,
      layer,
    };
    latents.set(node.name, names);
    const added: Node[] = [];
    const add: Add = (operator, operands, axis) => {
      const output = fresh(`${node.name}.${operator}`);
      added.push({ operator, domain: '', name: output, inputs: operands, outputs: [output], attributes: axis === undefined ? {} : { axis: int(axis) } });
      return output;
    };
    const inputs = node.inputs.with(1, roundedWeight(node.name, weight, names.weight, largest, store, add));
    if (names.bias !== undefined) inputs[2] = add('Mul', [names.bias, store(`${node.name}.unit`, floats([units.length], units))]);
    return [...added, { ...node, inputs }];
  });

  const edits = (values: ReadonlyMap<string, Tensor>): Map<string, LayerEdit> =>
    new Map(
      [...latents].map(([name, { weight, bias, units, layer }]) => {
        const learnt = (of: string): Float32Array => values.get(of)?.data as Float32Array;
        const scaleOf = scaleOfElement(layer.weight);
        const edit = { values: learnt(weight).map((steps, index) => steps * scaleOf(index)), scales: layer.weight.scales, largest };
        return [name, bias === undefined ? { weight: edit } : { weight: edit, bias: learnt(bias).map((value, channel) => value * (units[channel] ?? 1)) }];
      }),
    );
  const trainable = [...latents.values()].flatMap(({ weight, bias }) => [weight, ...(bias === undefined ? [] : [bias])]);
  return { model: { ...quantised, graph: { ...graph, nodes, initialisers } }, trainable, edits };
}

function scaleOfElement({ tensor, scales, axis }: StoredWeight): (index: number) => number {
  const channel = channelOf(tensor.dims, axis);
  return (index) => scales[scales.length === 1 ? 0 : channel(index)] ?? 1;
}

type Add = (operator: string, operands: string[], axis?: number) => string;

/** Clipped to what may be stored, rounded by the type it is stored in, and read with the scales of its channels. */
function roundedWeight(
  layerName: string,
  { tensor, scales, zeroPoint, axis }: StoredWeight,
  latent: string,
  largest: number,
  store: (hint: string, tensor: Tensor) => string,
  add: Add,
): string {
  const zeros = (dims: readonly number[], count: number): Tensor => ({ type: tensor.type, dims, data: tensor.data.slice(0, count).fill(zeroPoint) }) as Tensor;
  const clipped = add('Min', [add('Max', [latent, store(`${layerName}.lowest`, scalar(-largest))]), store(`${layerName}.highest`, scalar(largest))]);
  const steps = add('QuantizeLinear', [clipped, store(`${layerName}.one`, scalar(1)), store(`${layerName}.zero`, zeros([], 1))]);
  const dims = scales.length === 1 ? [] : [scales.length];
  return add('DequantizeLinear', [steps, store(`${layerName}.steps`, floats(dims, scales)), store(`${layerName}.zeros`, zeros(dims, scales.length))], axis);
}
