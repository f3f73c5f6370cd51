import { SerinError } from '@serin/protocol/errors';

import { floats, type Tensor } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import { correctedRate } from './optimiser.ts';
import { createTrainingGraph, type TrainingGraphOptions } from './training-graph.ts';

export interface Trainer {
  /** Runs one step and returns the loss before it. Feeds are the model's inputs by name. */
  step(feeds: Record<string, Tensor>, targets: Float32Array, rate: number): Promise<number>;
  /** A copy of the present weights. */
  weights(): Map<string, Tensor<'float32'>>;
  close(): Promise<void>;
}

/**
 * Weights and moments live in two sets of buffers: a step reads one and writes the other, so nothing is
 * allocated a step.
 */
export async function openTrainer(options: TrainingGraphOptions, threads = 1): Promise<Trainer> {
  const training = createTrainingGraph(options);
  const session = await openSession(writeModel(training.model), { threads });
  const { initialisers } = options.model.graph;

  const makeBuffers = (filled: boolean): ReturnType<typeof runtimeTensor>[] =>
    training.slots.map(({ weight, moment }) => {
      const { dims, data } = initialisers.get(weight) as Tensor<'float32'>;
      const buffer = new Float32Array(data.length);
      if (filled && !moment) buffer.set(data);
      return runtimeTensor('float32', buffer, dims);
    });
  let current = makeBuffers(true);
  let next = makeBuffers(false);
  let steps = 0;

  const targetDims = training.model.graph.inputs.find((input) => input.name === training.targets)?.dims as number[];
  const loss = runtimeTensor('float32', new Float32Array(1), []);

  return {
    step: async (feeds, targets, rate) => {
      steps += 1;
      const inputs: Record<string, ReturnType<typeof runtimeTensor>> = {
        [training.targets]: runtimeTensor('float32', targets, targetDims),
        [training.rate]: runtimeTensor('float32', Float32Array.of(correctedRate(rate, steps)), []),
      };
      for (const [name, tensor] of Object.entries(feeds)) inputs[name] = runtimeTensor(tensor.type, tensor.data, tensor.dims);
      const outputs: typeof inputs = { [training.loss]: loss };
      training.slots.forEach((slot, index) => {
        inputs[slot.input] = current[index] as (typeof current)[number];
        outputs[slot.output] = next[index] as (typeof next)[number];
      });
      await session.run(inputs, outputs);
      [current, next] = [next, current];

      const value = (loss.data as Float32Array)[0] ?? Number.NaN;
      if (!Number.isFinite(value)) {
        throw new SerinError('TRAINING_DIVERGED', { detail: `the loss was ${value} at step ${steps}` });
      }
      return value;
    },
    weights: () => {
      const found = new Map<string, Tensor<'float32'>>();
      training.slots.forEach((slot, index) => {
        const tensor = current[index];
        if (!slot.moment && tensor !== undefined) found.set(slot.weight, floats(tensor.dims, tensor.data as Float32Array));
      });
      return found;
    },
    close: () => session.release(),
  };
}
