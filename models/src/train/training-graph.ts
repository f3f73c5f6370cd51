import { SerinError } from '@serin/protocol/errors';

import { createModel, int, type Model } from '../onnx/graph.ts';
import { differentiate } from './autodiff.ts';
import { addAdam, type AdamUpdate } from './optimiser.ts';
import { createTape, layOut } from './tape.ts';

export interface TrainingGraphOptions {
  /** The model to train: its output `logits` is what the loss is made of. */
  readonly model: Model;
  readonly logits: string;
  /** Names of the initialisers that learn. */
  readonly trainable: readonly string[];
  /** Sizes of the free dimensions, the batch among them. */
  readonly dimensions: Record<string, number>;
}

/** Names under which the state of a weight enters and leaves the training graph. */
export interface StateSlot {
  readonly input: string;
  readonly output: string;
  /** The weight whose shape and first value it has; undefined for a moment, which begins at zero. */
  readonly weight: string;
  readonly moment: boolean;
}

export interface TrainingGraph {
  readonly model: Model;
  readonly slots: readonly StateSlot[];
  /** Inputs: one-hot (or smoothed) targets, the learning rate. Output: the mean loss. */
  readonly targets: 'targets';
  readonly rate: 'rate';
  readonly loss: 'loss';
}

/** Forward pass, cross-entropy, backward pass and Adam as one ONNX graph: a step is one run. */
export function createTrainingGraph(options: TrainingGraphOptions): TrainingGraph {
  const { model, logits, trainable, dimensions } = options;
  for (const name of trainable) {
    if (!model.graph.initialisers.has(name)) throw new SerinError('MODEL_INVALID', { detail: `it has no weight ${name}` });
  }
  const tape = createTape('training');
  layOut(tape, model, dimensions, new Set(trainable));
  const targets = tape.input('targets', 'float32', tape.type(logits).dims);
  const rate = tape.input('rate', 'float32', []);

  const chosen = tape.add('Mul', [targets, tape.add('LogSoftmax', [logits], { axis: int(-1) })]);
  const likelihood = tape.add('ReduceSum', [chosen, tape.longs([-1])], { keepdims: int(0) });
  const loss = tape.add('Neg', [tape.add('ReduceMean', [likelihood], { keepdims: int(0) })], {}, 'loss');
  const gradients = differentiate(tape, loss, trainable);
  tape.output(loss);

  const slots: StateSlot[] = [];
  for (const weight of trainable) {
    const { type, dims } = tape.type(weight);
    const state: AdamUpdate = {
      weight,
      mean: tape.input(`${weight}.mean`, type, dims),
      square: tape.input(`${weight}.square`, type, dims),
    };
    const next = addAdam(tape, state, gradients.get(weight) ?? '', rate);
    for (const part of ['weight', 'mean', 'square'] as const) {
      tape.output(next[part]);
      slots.push({ input: state[part], output: next[part], weight, moment: part !== 'weight' });
    }
  }
  return { model: createModel(tape.finish()), slots, targets: 'targets', rate: 'rate', loss: 'loss' };
}
