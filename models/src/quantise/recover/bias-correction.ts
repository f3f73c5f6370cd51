import type { Model } from '../../onnx/graph.ts';
import { editLayers, quantisedLayers, type LayerEdit } from './layers.ts';
import { observe, outputOf, type Observed, type ObserveOptions } from './observe.ts';

/** Layers are gone through in so many groups at most; those of a group are corrected at once. */
const roundsMax = 16;

export interface BiasCorrection {
  readonly model: Model;
  /** How many layers got another bias. */
  readonly layers: number;
}

/** With a MatMul there is no place for a bias that would not undo its 8-bit kernel. */
const biased: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Gemm']);

/**
 * Takes from every bias what quantisation adds to its channel on average (Nagel et al. 2019, section 4.2, measured), layer after layer, so that
 * each one is measured behind those that are right already.
 */
export async function correctBiases(float: Model, quantised: Model, options: ObserveOptions): Promise<BiasCorrection> {
  const layers = [...quantisedLayers(quantised)].filter(([name, { node }]) => biased.has(node.operator) && outputOf(float, name) !== undefined);
  const names = layers.map(([name]) => name);
  if (names.length === 0) return { model: quantised, layers: 0 };
  const wanted = await channelMeans(float, names, options);

  let model = quantised;
  const size = Math.ceil(names.length / roundsMax);
  for (let from = 0; from < names.length; from += size) {
    const group = names.slice(from, from + size);
    const found = await channelMeans(model, group, options);
    const current = quantisedLayers(model);
    const edits = new Map<string, LayerEdit>();
    for (const name of group) {
      const [goal, means] = [wanted.get(name), found.get(name)];
      if (goal === undefined || means === undefined) continue;
      const shifts = means.map((value, channel) => (goal[channel] ?? 0) - value);
      if (!shifts.every(Number.isFinite)) continue;
      edits.set(name, { bias: Float32Array.from(shifts, (shift, channel) => (current.get(name)?.bias?.[channel] ?? 0) + shift) });
    }
    model = editLayers(model, edits);
  }
  return { model, layers: names.length };
}

/** The mean a channel of what these nodes put out. */
async function channelMeans(model: Model, nodes: readonly string[], options: ObserveOptions): Promise<Map<string, Float64Array>> {
  const operators = new Map(model.graph.nodes.map(({ name, operator }) => [name, operator]));
  const values = new Map(nodes.map((node) => [node, outputOf(model, node) ?? '']));
  const sums = new Map<string, { sum: Float64Array; count: number }>();
  await observe(model, [...values.values()], options, (found) => {
    for (const [node, value] of values) {
      const observed = found.get(value);
      if (observed === undefined) continue;
      const axis = operators.get(node) === 'Gemm' ? observed.dims.length - 1 : 1;
      const total = sums.get(node) ?? { sum: new Float64Array(observed.dims[axis] ?? 0), count: 0 };
      sums.set(node, { sum: total.sum, count: total.count + addChannels(observed, axis, total.sum) });
    }
  });
  return new Map([...sums].map(([node, { sum, count }]) => [node, sum.map((value) => value / count)]));
}

/** Adds the values of every channel to its sum; returns how many each of them had. */
function addChannels({ dims, data }: Observed, axis: number, sum: Float64Array): number {
  const channels = dims[axis] ?? 1;
  const inner = dims.slice(axis + 1).reduce((count, dim) => count * dim, 1);
  for (let start = 0; start < data.length; start += inner) {
    const channel = Math.floor(start / inner) % channels;
    let part = 0;
    for (let index = start; index < start + inner; index += 1) part += data[index] ?? 0;
    sum[channel] = (sum[channel] ?? 0) + part;
  }
  return data.length / channels;
}
