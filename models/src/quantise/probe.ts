import { int, longs, type Graph, type Model, type Node, type Tensor, type ValueInfo } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { createNames } from '../onnx/scope.ts';
import { openSession, runtimeTensor, type Session } from '../onnx/session.ts';
import type { Batch } from './batches.ts';

/** What a run of the model says about one of its values. */
export interface Observation {
  readonly min: number;
  readonly max: number;
  /** Not a number where any of the values is not. */
  readonly sum: number;
  /** Every so many of the values; empty where no sample was asked for. */
  readonly sample: Float32Array;
}

export interface Probe {
  run(batch: Batch): Promise<Map<string, Observation>>;
  release(): Promise<void>;
}

/** Of one value and example: more say nothing new about its range. */
const sampleMax = 16_384;
const noSample = new Float32Array(0);

/**
 * The model with the extremes and samples of inner values as its outputs: the runtime looks at all the numbers, and hands
 * over a few. `values`: how many elements each has for so many `rows`.
 */
export async function openProbe(model: Model, values: ReadonlyMap<string, number>, rows: number, wantsSample: boolean, threads: number): Promise<Probe> {
  const fresh = createNames(model.graph);
  const nodes: Node[] = [];
  const constants = new Map<string, Tensor>();
  const store = (hint: string, numbers: number[]): string => {
    const name = fresh(hint);
    constants.set(name, longs(numbers));
    return name;
  };
  const add = (operator: string, inputs: string[], attributes: Node['attributes'] = {}): string => {
    const output = fresh(`probe.${operator}`);
    nodes.push({ operator, domain: '', name: output, inputs, outputs: [output], attributes });
    return output;
  };
  const [all, start, end] = [store('probe.all', [-1]), store('probe.start', [0]), store('probe.end', [Number.MAX_SAFE_INTEGER])];
  const flat = [...values.keys()].map((name) => add('Reshape', [name, all]));
  const joined = (operator: string): string =>
    add(
      'Concat',
      flat.map((name) => add(operator, [name], { keepdims: int(1) })),
      { axis: int(0) },
    );
  const [lowest, highest, sums] = [joined('ReduceMin'), joined('ReduceMax'), joined('ReduceSum')];
  const samples = [...values.values()].map((elements, index) => {
    if (!wantsSample) return undefined;
    // Odd, so that it does not keep step with rows and channels.
    const step = Math.ceil(elements / (sampleMax * Math.max(1, rows))) | 1;
    return add('Slice', [flat[index] ?? '', start, end, '', store('probe.step', [step])]);
  });
  const outputs = [lowest, highest, sums, ...samples].flatMap((name): ValueInfo[] => (name === undefined ? [] : [{ name, type: 'float32', dims: [] }]));
  const graph: Graph = { ...model.graph, nodes: [...model.graph.nodes, ...nodes], outputs, initialisers: new Map([...model.graph.initialisers, ...constants]) };
  // Without declared shapes the runtime infers them itself.
  const session: Session = await openSession(writeModel({ ...model, graph }, { shapelessOutputs: true }), { threads });
  return {
    release: () => session.release(),
    run: async (batch) => {
      const feeds = Object.fromEntries(Object.entries(batch).map(([name, { type, data, dims }]) => [name, runtimeTensor(type, data, dims)]));
      const results = await session.run(feeds);
      const numbers = (name: string | undefined): Float32Array => (name === undefined ? noSample : (results[name]?.data as Float32Array));
      const [low, high, sum] = [numbers(lowest), numbers(highest), numbers(sums)];
      return new Map(
        [...values.keys()].map((name, index) => [
          name,
          { min: low[index] as number, max: high[index] as number, sum: sum[index] as number, sample: numbers(samples[index]) },
        ]),
      );
    },
  };
}
