import type { Model } from '../../onnx/graph.ts';
import type { Batch } from '../batches.ts';
import { lastLayers, observe, outputOf, type ObserveOptions } from './observe.ts';

/** What a model answers on some batches, against which others are held. */
export interface Reference {
  readonly nodes: readonly string[];
  readonly batches: readonly Batch[];
  /** One after the other: the outputs of each node, batch by batch. */
  readonly answers: ReadonlyMap<string, readonly Float32Array[]>;
}

type RunOptions = Omit<ObserveOptions, 'batches'>;

export async function referenceOf(float: Model, batches: readonly Batch[], options: RunOptions): Promise<Reference> {
  const nodes = lastLayers(float);
  return { nodes, batches, answers: await answersOf(float, nodes, { ...options, batches }) };
}

async function answersOf(model: Model, nodes: readonly string[], options: ObserveOptions): Promise<Map<string, Float32Array[]>> {
  const places = nodes.flatMap((node) => {
    const value = outputOf(model, node);
    return value === undefined ? [] : [[node, value] as const];
  });
  const answers = new Map<string, Float32Array[]>(places.map(([node]) => [node, []]));
  await observe(
    model,
    places.map(([, value]) => value),
    options,
    (values) => {
      for (const [node, value] of places) answers.get(node)?.push((values.get(value)?.data ?? new Float32Array()).slice());
    },
  );
  return answers;
}

/** Power of the error over power of the signal, a mean over the last layers; 0 is no error. */
export async function noiseOf(model: Model, { nodes, batches, answers }: Reference, options: RunOptions): Promise<number> {
  const found = await answersOf(model, nodes, { ...options, batches });
  const shares = [...found].map(([node, data]) => noiseShare(answers.get(node) ?? [], data));
  return shares.length === 0 ? 0 : shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

export function noiseShare(wanted: readonly Float32Array[], found: readonly Float32Array[]): number {
  let [signal, noise] = [0, 0];
  wanted.forEach((batch, index) => {
    const other = found[index] ?? new Float32Array();
    for (let place = 0; place < batch.length; place += 1) {
      const value = batch[place] ?? 0;
      const error = (other[place] ?? Number.NaN) - value;
      signal += value * value;
      noise += error * error;
    }
  });
  return noise === 0 ? 0 : noise / Math.max(signal, Number.MIN_VALUE);
}

/** No error at all has no decibels. */
const decibelsMax = 200;

export const decibelsOf = (noise: number): number => (noise > 0 ? Math.min(decibelsMax, -10 * Math.log10(noise)) : decibelsMax);
