import { SerinError } from '@serin/protocol/errors';
import type ort from 'onnxruntime-node';

import type { Batch } from '../data/batch-source.ts';
import { elementCount, type Tensor } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import { blockSize } from './blocked/block-size.ts';
import { inBlocks } from './blocked/layout.ts';
import { averageOf, createTrainingGraph, type BatchInput, type TrainingGraph, type TrainingGraphOptions } from './training-graph.ts';

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
  /** A copy of what was learnt by name, statistics of batch normalisation included; `average` where the graph keeps one. */
  weights(which?: 'weights' | 'average'): Map<string, Tensor<'float32'>>;
  close(): Promise<void>;
}

/**
 * The state lives in two sets of buffers: a step reads one and writes the other, so nothing is allocated a step.
 */
export async function openTrainer(options: TrainingGraphOptions, threads = 1): Promise<Trainer> {
  const graph = createTrainingGraph(options);
  const session = await openSession(writeModel(inBlocks(graph.model, await blockSize())), { threads });
  const makeVectors = (): ort.Tensor[] => graph.state.map(({ length }) => runtimeTensor('float32', new Float32Array(length), [length]));
  let current = makeVectors();
  let next = makeVectors();
  const dataOf = (tensor: ort.Tensor | undefined): Float32Array => tensor?.data as Float32Array;

  graph.state.forEach(({ places = [] }, index) => {
    for (const { name, offset } of places) dataOf(current[index]).set(options.model.graph.initialisers.get(name)?.data as Float32Array, offset);
  });
  const makeScalars = (names: Readonly<Record<string, string>>) =>
    Object.entries(names).map(([name, inner]) => ({ name, inner, tensor: runtimeTensor('float32', new Float32Array(1), []) }));
  const scalars = makeScalars(graph.scalars);
  const reports = makeScalars(graph.reports);

  return {
    graph,
    step: async (batch, given) => {
      const inputs = feedsOf(graph.batch, batch);
      const outputs: Record<string, ort.Tensor> = {};
      for (const { name, inner, tensor } of scalars) {
        (tensor.data as Float32Array)[0] = given[name] ?? Number.NaN;
        inputs[inner] = tensor;
      }
      for (const { inner, tensor } of reports) outputs[inner] = tensor;
      graph.state.forEach(({ input, output }, index) => {
        inputs[input] = current[index] as ort.Tensor;
        outputs[output] = next[index] as ort.Tensor;
      });
      try {
        await session.run(inputs, outputs);
      } catch (cause) {
        throw new SerinError('TRAINING_DATA_INVALID', {
          detail: `the runtime refused a batch: ${cause instanceof Error ? cause.message : String(cause)}`,
          hint: 'It names the node; most often a number that looks something up is out of range',
          cause,
        });
      }
      [current, next] = [next, current];
      const values = Object.fromEntries(reports.map(({ name, tensor }) => [name, (tensor.data as Float32Array)[0] ?? Number.NaN]));
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
      const wanted = ['weights', 'running'].map((name) => (which === 'average' ? averageOf(name) : name));
      const held = graph.state.flatMap(({ name, places = [] }, index) => (wanted.includes(name) ? [{ places, vector: dataOf(current[index]) }] : []));
      if (held.length === 0) throw new RangeError(`this trainer keeps no ${which}`);
      return new Map(
        held.flatMap(({ places, vector }) =>
          places.map(({ name, dims, offset, length }) => [name, { type: 'float32' as const, dims, data: vector.slice(offset, offset + length) }] as const),
        ),
      );
    },
    close: () => session.release(),
  };
}

/** The tensors of a batch under their names in the graph, each of the type and shape that the graph was made for. */
function feedsOf(wanted: readonly BatchInput[], { feeds, targets }: Batch): Record<string, ort.Tensor> {
  const inputs: Record<string, ort.Tensor> = {};
  for (const expected of wanted) {
    const { name, input, type, dims } = expected;
    const tensor = feeds[name] ?? targets[name];
    if (tensor === undefined) {
      const brought = [...Object.keys(feeds), ...Object.keys(targets)].join(', ');
      throw unfit(expected, `the batch has nothing for ${name}; it brings ${brought === '' ? 'nothing' : brought}`);
    }
    if (tensor.type !== type || tensor.dims.join() !== dims.join()) {
      throw unfit(expected, `the batch has ${tensor.type} [${tensor.dims.join(', ')}] for ${name}`);
    }
    if (tensor.data.length !== elementCount(dims)) {
      throw unfit(
        expected,
        `the batch has ${tensor.data.length} numbers for ${name} and says they are [${dims.join(', ')}]`,
        'A source in a thread of its own makes fresh arrays for every batch',
      );
    }
    inputs[input] = runtimeTensor(tensor.type, tensor.data, tensor.dims);
  }
  return inputs;
}

function unfit({ type, dims, like }: BatchInput, found: string, hint = 'Make the source of the batches and the network agree'): SerinError {
  const who = like === undefined ? 'the network wants' : `the loss compares it with ${like} and wants`;
  return new SerinError('TRAINING_DATA_INVALID', { detail: `${found}; ${who} ${type} [${dims.join(', ')}]`, hint });
}
