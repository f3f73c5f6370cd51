import type { Tape } from './tape.ts';

export interface AdamSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

export const usualAdam: AdamSettings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 };

export interface AdamUpdate {
  readonly weight: string;
  readonly mean: string;
  readonly square: string;
}

/**
 * One Adam update as graph nodes (Kingma and Ba, section 2, the reordered form). `rate` is a scalar that already
 * holds the bias correction, see `correctedRate`.
 */
export function addAdam(tape: Tape, state: AdamUpdate, gradient: string, rate: string, settings: AdamSettings = usualAdam): AdamUpdate {
  const { beta1, beta2, epsilon } = settings;
  const times = (value: string, factor: number): string => tape.add('Mul', [value, tape.number(factor, value)]);

  const mean = tape.add('Add', [times(state.mean, beta1), times(gradient, 1 - beta1)]);
  const squared = tape.add('Mul', [gradient, gradient]);
  const square = tape.add('Add', [times(state.square, beta2), times(squared, 1 - beta2)]);
  const spread = tape.add('Add', [tape.add('Sqrt', [square]), tape.number(epsilon, square)]);
  const move = tape.add('Div', [tape.add('Mul', [mean, rate]), spread]);
  return { weight: tape.add('Sub', [state.weight, move]), mean, square };
}

/** The learning rate of step `step` (from 1) with Adam's bias correction folded in. */
export function correctedRate(rate: number, step: number, settings: AdamSettings = usualAdam): number {
  return (rate * Math.sqrt(1 - settings.beta2 ** step)) / (1 - settings.beta1 ** step);
}
