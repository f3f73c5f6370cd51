import type { Tape } from './tape.ts';

/** What an update is computed from: names of flat vectors on the tape, and scalars that change with the step. */
export interface UpdateInputs {
  readonly weights: string;
  readonly gradient: string;
  /** The optimiser's own vectors, in the order of `state`. */
  readonly state: readonly string[];
  /** The learning rate of this step. */
  readonly rate: string;
  /** What `correction` returns for this step. */
  readonly correction: string;
  /** 1 where weights decay, 0 elsewhere; undefined where all do. */
  readonly decayed: string | undefined;
}

/** All weights are one vector, so an update is a handful of nodes whatever the network. */
export interface Optimiser {
  readonly name: string;
  /** Vectors as long as the weights that the optimiser keeps from step to step; they begin at zero. */
  readonly state: readonly string[];
  /** Share of a weight that decays at learning rate 1. */
  readonly decay: number;
  /** Factor on the learning rate of step `step` (from 1). */
  correction(step: number): number;
  update(tape: Tape, inputs: UpdateInputs): { weights: string; state: readonly string[] };
}

const times = (tape: Tape, value: string, factor: number): string => tape.add('Mul', [value, tape.number(factor, value)]);

/** `weights - rate * decay * weights` where they decay (Loshchilov and Hutter 2019: apart from the gradient). */
function decayedWeights(tape: Tape, { weights, rate, decayed }: UpdateInputs, decay: number): string {
  if (decay === 0) return weights;
  const share = times(tape, rate, decay);
  const loss = tape.add('Mul', [weights, decayed === undefined ? share : tape.add('Mul', [decayed, share])]);
  return tape.add('Sub', [weights, loss]);
}

export interface AdamSettings {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Decoupled weight decay: AdamW. */
  readonly decay?: number;
}

/** Adam (Kingma and Ba, section 2, the reordered form), with `decay` AdamW. */
export function adam({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7, decay = 0 }: AdamSettings = {}): Optimiser {
  return {
    name: decay === 0 ? 'adam' : 'adamw',
    state: ['mean', 'square'],
    decay,
    correction: (step) => Math.sqrt(1 - beta2 ** step) / (1 - beta1 ** step),
    update: (tape, inputs) => {
      const { gradient, rate, correction } = inputs;
      const [oldMean = '', oldSquare = ''] = inputs.state;
      const towards = (value: string, goal: string, share: number): string => tape.add('Add', [value, times(tape, tape.add('Sub', [goal, value]), share)]);
      const mean = towards(oldMean, gradient, 1 - beta1);
      const square = towards(oldSquare, tape.add('Mul', [gradient, gradient]), 1 - beta2);
      const spread = tape.add('Add', [tape.add('Sqrt', [square]), tape.number(epsilon, square)]);
      const direction = tape.add('Div', [mean, spread]);
      const move = tape.add('Mul', [direction, tape.add('Mul', [rate, correction])]);
      return { weights: tape.add('Sub', [decayedWeights(tape, inputs, decay), move]), state: [mean, square] };
    },
  };
}

export interface SgdSettings {
  readonly momentum?: number;
  /** Looks one step ahead (Sutskever et al. 2013, as an update of the weights themselves). */
  readonly nesterov?: boolean;
  readonly decay?: number;
}

/** Stochastic gradient descent with momentum; weight decay apart from the gradient. */
export function sgd({ momentum = 0.9, nesterov = false, decay = 0 }: SgdSettings = {}): Optimiser {
  return {
    name: 'sgd',
    state: ['velocity'],
    decay,
    correction: () => 1,
    update: (tape, inputs) => {
      const [old = ''] = inputs.state;
      const velocity = tape.add('Add', [times(tape, old, momentum), inputs.gradient]);
      const direction = nesterov ? tape.add('Add', [inputs.gradient, times(tape, velocity, momentum)]) : velocity;
      const move = tape.add('Mul', [direction, inputs.rate]);
      return { weights: tape.add('Sub', [decayedWeights(tape, inputs, decay), move]), state: [velocity] };
    },
  };
}
