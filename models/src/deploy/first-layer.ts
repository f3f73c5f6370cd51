import { elementCount, floats, numberAttribute, numbersAttribute, textAttribute, type Model, type Node, type Tensor } from '../onnx/graph.ts';
import { countReads, createNames, innerGraphs, valuesRead } from '../onnx/scope.ts';

/** What a network sees of a frame: in channel c it is gain[c] * (sum over f of matrix[c][f] * x[f] - mean[c]), x in grey levels. */
export interface Colours {
  readonly matrix: readonly (readonly number[])[];
  readonly mean: readonly number[];
  readonly gain: readonly number[];
}

export interface Folded {
  readonly model: Model;
  /** What is still to be subtracted from the channels of the frame; undefined where nothing is. */
  readonly subtract: readonly number[] | undefined;
}

/** `near`: one whole grey level goes from all channels, which 8 bits take without loss; pixels beyond the border are off by the rest. */
export type Padding = 'exact' | 'near';

/**
 * Makes colours and their normalisation part of the weights of the convolutions that read the picture, which then take the
 * frame's own channels. Zeros that they pad with mean the mean: where it is not zero, it stays to be subtracted before them.
 * Undefined where the picture goes elsewhere.
 */
export function foldColours(model: Model, picture: string, colours: Colours, padding: Padding = 'exact'): Folded | undefined {
  const { graph } = model;
  const readers = graph.nodes.filter((node) => valuesRead(node).includes(picture));
  const isOpen = graph.outputs.some(({ name }) => name === picture) || readers.some((node) => innerGraphs(node).length > 0);
  const channels = colours.gain.length;
  if (isOpen || readers.length === 0 || !readers.every((node) => isFoldable(node, picture, graph.initialisers, channels))) return undefined;

  const isCentred = colours.mean.every((mean) => mean === 0);
  const isPadded = readers.some((node) => pads(node));
  const isShifted = isPadded && !isCentred;
  const subtract = isShifted ? (padding === 'near' ? nearMean(colours) : meanOfFrame(colours)) : undefined;
  if (isShifted && subtract === undefined) return undefined;
  // What is subtracted before need not be part of a bias as well.
  const rest = subtract === undefined ? colours : { ...colours, mean: colours.mean.map((mean) => (padding === 'near' ? mean - (subtract[0] ?? 0) : 0)) };
  const hasRest = rest.mean.some((mean) => mean !== 0);

  const initialisers = new Map(graph.initialisers);
  const fresh = createNames(graph);
  const reads = countReads(graph);
  const store = (old: string, tensor: Tensor): string => {
    const name = old !== '' && reads.get(old) === 1 ? old : fresh(old === '' ? 'bias' : old);
    initialisers.set(name, tensor);
    return name;
  };
  const replaced = new Map(
    readers.map((node) => {
      const { weight, shift } = foldWeight(initialisers.get(node.inputs[1] ?? '') as Tensor<'float32'>, rest);
      const [kernel, biasName] = [store(node.inputs[1] ?? '', weight), node.inputs[2] ?? ''];
      if (!hasRest) return [node, { ...node, inputs: [picture, kernel, ...node.inputs.slice(2)] }];
      const bias = initialisers.get(biasName)?.data as Float32Array | undefined;
      const shifted = store(
        biasName,
        floats(
          [shift.length],
          shift.map((value, place) => value + (bias?.[place] ?? 0)),
        ),
      );
      return [node, { ...node, inputs: [picture, kernel, shifted] }];
    }),
  );
  const nodes = graph.nodes.map((node) => replaced.get(node) ?? node);
  return { model: { ...model, graph: { ...graph, nodes, initialisers } }, subtract };
}

function isFoldable(node: Node, picture: string, weights: ReadonlyMap<string, Tensor>, channels: number): boolean {
  const [input, weight, bias = ''] = node.inputs;
  if (node.domain !== '' || node.operator !== 'Conv' || input !== picture || weight === undefined || numberAttribute(node, 'group', 1) !== 1) return false;
  const kernel = weights.get(weight);
  return kernel?.type === 'float32' && kernel.dims[1] === channels && (bias === '' || weights.get(bias)?.type === 'float32');
}

const pads = (node: Node): boolean =>
  !['NOTSET', 'VALID'].includes(textAttribute(node, 'auto_pad', 'NOTSET')) || numbersAttribute(node, 'pads', []).some((pad) => pad !== 0);

/** Every channel of the network's is a mean of the frame's, so what goes from all of these goes from all of those. */
function nearMean({ matrix, mean }: Colours): number[] {
  const level = Math.min(255, Math.max(0, Math.round(mean.reduce((sum, each) => sum + each, 0) / mean.length)));
  return (matrix[0] ?? []).map(() => level);
}

/** What subtracted from the frame's channels takes the mean from the network's; undefined where nothing does. */
function meanOfFrame({ matrix, mean }: Colours): number[] | undefined {
  const [first = []] = matrix;
  const found = first.map((_, channel) => {
    const place = matrix.findIndex((row) => row[channel] !== 0);
    return mean[place] ?? 0;
  });
  const isRight = matrix.every(
    (row, place) => Math.abs(row.reduce((sum, share, channel) => sum + share * (found[channel] ?? 0), 0) - (mean[place] ?? 0)) < 1e-9,
  );
  return isRight ? found : undefined;
}

/** The weight for the frame's channels, and what the mean takes from each filter. */
function foldWeight(weight: Tensor<'float32'>, { matrix, mean, gain }: Colours): { weight: Tensor<'float32'>; shift: Float64Array } {
  const [filters = 0, channels = 0, ...kernel] = weight.dims;
  const area = elementCount(kernel);
  const own = matrix[0]?.length ?? 0;
  const data = new Float64Array(filters * own * area);
  const shift = new Float64Array(filters);
  for (let filter = 0; filter < filters; filter += 1) {
    for (let channel = 0; channel < channels; channel += 1) {
      for (let tap = 0; tap < area; tap += 1) {
        const value = (weight.data[(filter * channels + channel) * area + tap] as number) * (gain[channel] as number);
        shift[filter] = (shift[filter] as number) - value * (mean[channel] as number);
        for (let place = 0; place < own; place += 1) {
          const at = (filter * own + place) * area + tap;
          data[at] = (data[at] as number) + value * (matrix[channel]?.[place] ?? 0);
        }
      }
    }
  }
  return { weight: floats([filters, own, ...kernel], data), shift };
}
