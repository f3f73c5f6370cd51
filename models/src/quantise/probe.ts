import { int, longs, type Model, type Node, type Tensor, type ValueInfo } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { removeDeadCode } from '../onnx/passes/remove-dead-code.ts';
import { createNames } from '../onnx/scope.ts';
import { openSession, runtimeTensor, type Session } from '../onnx/session.ts';
import type { Batch } from './batches.ts';

/** What a run of the model says about one of its values. */
export interface Observation {
  readonly min: number;
  readonly max: number;
  /** Of the sample: not a number where any of it is not. */
  readonly sum: number;
  /** Every so many of the values. */
  readonly sample: Float32Array;
}

export interface Probe {
  run(batch: Batch): Promise<Map<string, Observation>>;
  release(): Promise<void>;
}

/** Of one value and example: more say nothing new about its range. */
const sampleMax = 8192;

/**
 * The model with the extremes and a sample of each inner value as its outputs: the runtime looks at all the numbers, and
 * hands over a few. One output a value, so that the runtime looks at a value as soon as it has it and keeps none for later.
 * `values`: how many elements each has for so many `rows`.
 */
export async function openProbe(model: Model, values: ReadonlyMap<string, number>, rows: number, threads: number): Promise<Probe> {
  const fresh = createNames(model.graph);
  const constants = new Map<string, Tensor>();
  const store = (hint: string, numbers: number[]): string => {
    const name = fresh(hint);
    constants.set(name, longs(numbers));
    return name;
  };
  const [all, start, end] = [store('probe.all', [-1]), store('probe.start', [0]), store('probe.end', [Number.MAX_SAFE_INTEGER])];
  const outputs: ValueInfo[] = [];
  const lookAt = (value: string): Node[] => {
    const elements = values.get(value);
    if (elements === undefined) return [];
    const nodes: Node[] = [];
    const add = (operator: string, inputs: string[], attributes: Node['attributes'] = {}): string => {
      const output = fresh(`probe.${operator}`);
      nodes.push({ operator, domain: '', name: output, inputs, outputs: [output], attributes });
      return output;
    };
    const reduced = (operator: string, name: string): string => add(operator, [name], { keepdims: int(1) });
    const flat = add('Reshape', [value, all]);
    // Odd, so that it does not keep step with rows and channels.
    const step = Math.ceil(elements / (sampleMax * Math.max(1, rows))) | 1;
    const sample = step === 1 ? flat : add('Slice', [flat, start, end, '', store('probe.step', [step])]);
    const name = add('Concat', [reduced('ReduceMin', flat), reduced('ReduceMax', flat), reduced('ReduceSum', sample), sample], { axis: int(0) });
    outputs.push({ name, type: 'float32', dims: [] });
    looks.set(value, name);
    return nodes;
  };
  const looks = new Map<string, string>();
  const { graph } = model;
  // The runtime starts from the last of what nobody reads: backwards, it looks at each value as soon as it is there.
  const inOrder = [...graph.inputs.map(({ name }) => name), ...graph.nodes.flatMap((node) => node.outputs)];
  const nodes = [...graph.nodes, ...inOrder.toReversed().flatMap(lookAt)];
  const probing = removeDeadCode({ ...model, graph: { ...graph, nodes, outputs, initialisers: new Map([...graph.initialisers, ...constants]) } });
  // Without declared shapes the runtime infers them itself.
  const session: Session = await openSession(writeModel(probing, { shapelessOutputs: true }), { threads });
  return {
    release: () => session.release(),
    run: async (batch) => {
      const feeds = Object.fromEntries(Object.entries(batch).map(([name, { type, data, dims }]) => [name, runtimeTensor(type, data, dims)]));
      const results = await session.run(feeds);
      return new Map(
        [...looks].map(([value, name]) => {
          const data = results[name]?.data as Float32Array;
          const [min = Number.NaN, max = Number.NaN, sum = Number.NaN] = data;
          return [value, { min, max, sum, sample: data.subarray(3) }];
        }),
      );
    },
  };
}
