import type { Model } from '../../onnx/graph.ts';
import type { Batch } from '../batches.ts';
import { noiseShare } from './noise.ts';
import { observe, outputOf, type Observed, type ObserveOptions } from './observe.ts';

/** So many nodes are looked at in one run, whose values all lie in memory at once. */
const nodesAtOnce = 64;

/**
 * The nodes that add most noise of their own, in one look at both models: how much noisier what they put out is than what they take in. Coarser
 * than quantising each of them alone, and no slower for a large network.
 */
export async function screenNodes(
  float: Model,
  quantised: Model,
  names: readonly string[],
  keep: number,
  options: Omit<ObserveOptions, 'batches'> & { readonly batches: readonly Batch[] },
): Promise<string[]> {
  if (names.length <= keep) return [...names];
  const makers = new Map(float.graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node.name] as const)));
  const inputsOf = new Map(float.graph.nodes.map(({ name, inputs }) => [name, inputs.flatMap((input) => makers.get(input) ?? [])]));
  const looked = [...new Set(names.flatMap((name) => [name, ...(inputsOf.get(name) ?? [])]))];
  const noise = await noiseByNode(float, quantised, looked, options);
  const added = (name: string): number => (noise.get(name) ?? 0) - Math.max(0, ...(inputsOf.get(name) ?? []).map((maker) => noise.get(maker) ?? 0));
  return names.toSorted((a, b) => added(b) - added(a)).slice(0, keep);
}

/** Noise over signal in what each node puts out, where both graphs have it as floats. */
async function noiseByNode(
  float: Model,
  quantised: Model,
  nodes: readonly string[],
  { batches, ...options }: ObserveOptions & { readonly batches: readonly Batch[] },
): Promise<Map<string, number>> {
  const places = nodes.flatMap((node) => {
    const [wanted, found] = [outputOf(float, node), outputOf(quantised, node)];
    return wanted === undefined || found === undefined ? [] : [{ node, wanted, found }];
  });
  const sums = new Map<string, number>();
  for (let from = 0; from < places.length; from += nodesAtOnce) {
    const group = places.slice(from, from + nodesAtOnce);
    for (const batch of batches) {
      const [wanted, found] = [
        await valuesOf(
          float,
          group.map((place) => place.wanted),
          { ...options, batches: [batch] },
        ),
        await valuesOf(
          quantised,
          group.map((place) => place.found),
          { ...options, batches: [batch] },
        ),
      ];
      for (const place of group) {
        const [one, other] = [wanted.get(place.wanted)?.data, found.get(place.found)?.data];
        // Whole numbers, and bytes that are only clipped or moved, add nothing.
        if (!(one instanceof Float32Array) || !(other instanceof Float32Array)) continue;
        sums.set(place.node, (sums.get(place.node) ?? 0) + noiseShare([one], [other]) / batches.length);
      }
    }
  }
  return sums;
}

async function valuesOf(model: Model, names: readonly string[], options: ObserveOptions): Promise<ReadonlyMap<string, Observed>> {
  let values: ReadonlyMap<string, Observed> = new Map();
  await observe(model, names, options, (observed) => (values = observed));
  return values;
}
