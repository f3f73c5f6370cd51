import type { Model, Node } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { removeDeadCode } from '../../onnx/passes/remove-dead-code.ts';
import { openSession, runtimeTensor } from '../../onnx/session.ts';
import { throwIfCancelled } from '../../train/cancellation.ts';
import type { Batch } from '../batches.ts';

export interface ObserveOptions {
  readonly batches: Iterable<Batch>;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Observed {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** Runs as much of the model as these inner values need, and hands them out batch by batch. */
export async function observe(
  model: Model,
  values: readonly string[],
  options: ObserveOptions,
  each: (values: ReadonlyMap<string, Observed>) => void,
): Promise<void> {
  const { batches, threads = 1, signal } = options;
  const session = await openSession(writeModel(probed(model, values), { shapelessOutputs: true }), { threads });
  try {
    for (const batch of batches) {
      throwIfCancelled(signal);
      const feeds = Object.fromEntries(Object.entries(batch).map(([name, { type, data, dims }]) => [name, runtimeTensor(type, data, dims)]));
      const results = await session.run(feeds);
      each(new Map(Object.entries(results).map(([name, { dims, data }]) => [name, { dims, data: data as Float32Array }])));
    }
  } finally {
    await session.release();
  }
}

/** The model up to these values; without declared shapes the runtime infers them itself. */
export function probed(model: Model, values: readonly string[]): Model {
  const outputs = [...new Set(values)].map((name) => ({ name, type: 'float32' as const, dims: [] }));
  return removeDeadCode({ ...model, graph: { ...model.graph, outputs } });
}

const multiplies: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);

/** A node that multiplies by constant weights. */
export const isLayer = (model: Model, node: Node): boolean =>
  node.domain === '' && multiplies.has(node.operator) && model.graph.initialisers.get(node.inputs[1] ?? '')?.type === 'float32';

/**
 * The last layers: those behind which no other comes. What they put out is the model's answer before anything that hides a
 * difference, such as a softmax, or has no slope, such as picking the best boxes.
 */
export function lastLayers(model: Model): string[] {
  const { nodes } = model.graph;
  const goesOn = new Set<string>();
  const last: string[] = [];
  for (const node of nodes.toReversed()) {
    const layer = isLayer(model, node);
    const further = node.outputs.some((name) => goesOn.has(name));
    if (layer && !further) last.push(node.name);
    if (layer || further) for (const name of node.inputs) goesOn.add(name);
  }
  return last.reverse();
}

/** The value a node of the prepared graph puts out, in that graph or in the one quantised from it, where nodes keep their names. */
export function outputOf(model: Model, nodeName: string): string | undefined {
  return model.graph.nodes.find(({ name }) => name === nodeName)?.outputs[0];
}

/** The first of them, until there are so many examples. */
export function firstBatches(batches: Iterable<Batch>, examplesMax: number): Batch[] {
  const first: Batch[] = [];
  let examples = 0;
  for (const batch of batches) {
    first.push(batch);
    examples += Object.values(batch)[0]?.dims[0] ?? 1;
    if (examples >= examplesMax) break;
  }
  return first;
}
