import { SerinError } from '@serin/protocol/errors';
import type ort from 'onnxruntime-node';

import type { Batch } from '../data/batch-source.ts';
import { floats, type Tensor } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import { createTrainingGraph, type TrainingGraph, type TrainingGraphOptions } from './training-graph.ts';

/** Everything a run goes on from: the vectors by name, as `TrainingGraph.state` lists them. */
export type TrainerState = Readonly<Record<string, Float32Array>>;

export interface StepReport {
  readonly loss: number;
  /** All reported scalars by name, the loss among them. */
  readonly values: Readonly<Record<string, number>>;
}

export interface Trainer {
  readonly graph: TrainingGraph;
  /** Runs one step: `scalars` are those the graph asks for. A loss that is not finite is returned, not thrown. */
  step(batch: Batch, scalars: Readonly<Record<string, number>>): Promise<StepReport>;
  /** A copy of the present state. */
  state(): TrainerState;
  restore(state: TrainerState): void;
  /** A copy of the weights by name; `average` where the graph keeps one. */
  weights(which?: 'weights' | 'average'): Map<string, Tensor<'float32'>>;
  close(): Promise<void>;
}

/**
 * The state lives in two sets of buffers: a step reads one and writes the other, so nothing is allocated a step.
 */
export async function openTrainer(options: TrainingGraphOptions, threads = 1): Promise<Trainer> {
  const graph = createTrainingGraph(options);
  const session = await openSession(writeModel(graph.model), { threads });
  const makeVectors = (): ort.Tensor[] => graph.state.map(({ length }) => runtimeTensor('float32', new Float32Array(length), [length]));
  let current = makeVectors();
  let next = makeVectors();
  const dataOf = (tensor: ort.Tensor | undefined): Float32Array => tensor?.data as Float32Array;
  const indexOf = (name: string): number => graph.state.findIndex((vector) => vector.name === name);

  for (const name of ['weights', 'average']) {
    const vector = current[indexOf(name)];
    if (vector === undefined) continue;
    for (const { name: weight, offset } of graph.places) dataOf(vector).set(options.model.graph.initialisers.get(weight)?.data as Float32Array, offset);
  }

  const scalars = new Map(graph.scalars.map((name) => [name, runtimeTensor('float32', new Float32Array(1), [])]));
  const reports = new Map(graph.reports.map((name) => [name, runtimeTensor('float32', new Float32Array(1), [])]));

  return {
    graph,
    step: async (batch, given) => {
      const inputs: Record<string, ort.Tensor> = {};
      const outputs: Record<string, ort.Tensor> = {};
      for (const { name, type, dims } of graph.batch) {
        const tensor = batch.feeds[name] ?? batch.targets[name];
        if (tensor === undefined || tensor.type !== type || tensor.dims.join() !== dims.join()) throw unfit(name, type, dims, tensor);
        inputs[name] = runtimeTensor(tensor.type, tensor.data, tensor.dims);
      }
      for (const [name, tensor] of scalars) {
        (tensor.data as Float32Array)[0] = given[name] ?? Number.NaN;
        inputs[name] = tensor;
      }
      for (const [name, tensor] of reports) outputs[name] = tensor;
      graph.state.forEach(({ input, output }, index) => {
        inputs[input] = current[index] as ort.Tensor;
        outputs[output] = next[index] as ort.Tensor;
      });
      await session.run(inputs, outputs);
      [current, next] = [next, current];
      const values = Object.fromEntries([...reports].map(([name, tensor]) => [name, (tensor.data as Float32Array)[0] ?? Number.NaN]));
      return { loss: values['loss'] ?? Number.NaN, values };
    },
    state: () => Object.fromEntries(graph.state.map(({ name }, index) => [name, dataOf(current[index]).slice()])),
    restore: (state) => {
      graph.state.forEach(({ name, length }, index) => {
        const vector = state[name];
        if (vector?.length !== length)
          throw new SerinError('CHECKPOINT_INVALID', { detail: `it has ${vector?.length ?? 'no'} numbers in ${name}, the network ${length}` });
        dataOf(current[index]).set(vector);
      });
    },
    weights: (which = 'weights') => {
      const vector = dataOf(current[indexOf(which)]);
      return new Map(graph.places.map(({ name, dims, offset, length }) => [name, floats(dims, vector.slice(offset, offset + length))]));
    },
    close: () => session.release(),
  };
}

function unfit(name: string, type: string, dims: readonly number[], found: Tensor | undefined): SerinError {
  const had = found === undefined ? 'nothing' : `${found.type} [${found.dims.join()}]`;
  return new SerinError('TRAINING_DATA_INVALID', { detail: `the batch has ${had} for ${name}, the network wants ${type} [${dims.join()}]` });
}
