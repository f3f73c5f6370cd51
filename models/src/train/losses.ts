import { SerinError } from '@serin/protocol/errors';

import { floats, int, type ElementType } from '../onnx/graph.ts';
import { castTo, type Tape } from './tape.ts';

export interface LossContext {
  readonly tape: Tape;
  /** A value of the model by name; throws when it has none of that name. */
  output(name: string): string;
  /** Declares what a batch brings beside the model's inputs; asked for twice it is one input. */
  target(name: string, type: ElementType, dims: readonly number[]): string;
  /** Reports a part of the loss on its own. */
  part(name: string, value: string): void;
}

/** Writes the loss onto the tape and returns the name of the scalar. */
export type Loss = (context: LossContext) => string;

const mean = (tape: Tape, value: string): string => tape.add('ReduceMean', [value], { keepdims: int(0) });
const sum = (tape: Tape, value: string): string => tape.add('ReduceSum', [value], { keepdims: int(0) });
const minus = (tape: Tape, value: string): string => tape.add('Neg', [value]);

/** The mean of `value`, or, under a mask of weights, the weighted sum over the sum of the weights (at least 1). */
function average(tape: Tape, value: string, mask: string | undefined): string {
  if (mask === undefined) return mean(tape, value);
  const wide = tape.type(mask).dims.join() === tape.type(value).dims.join() ? mask : tape.add('Expand', [mask, tape.longs(tape.type(value).dims)]);
  const count = tape.add('Max', [sum(tape, wide), tape.number(1, value)]);
  return tape.add('Div', [sum(tape, tape.add('Mul', [value, wide])), count]);
}

const smoothed = (tape: Tape, targets: string, smoothing: number, share: number): string => {
  if (smoothing === 0) return targets;
  const kept = tape.add('Mul', [targets, tape.number(1 - smoothing, targets)]);
  return tape.add('Add', [kept, tape.number(smoothing * share, targets)]);
};

/** Name and shape of a target input of weights that broadcasts to what is averaged: where it is 0 nothing is asked. */
export interface Mask {
  readonly name: string;
  readonly dims: readonly number[];
}

export interface ClassLoss {
  /** The model's value that holds unnormalised scores. */
  readonly logits: string;
  /** Name of the target input: probabilities of the same shape, one-hot for plain labels. */
  readonly targets?: string;
  /** Share of the probability that is spread over all classes. */
  readonly smoothing?: number;
  readonly mask?: Mask;
}

export interface SoftmaxLoss extends ClassLoss {
  /** The axis of the classes, the last one unless said otherwise. */
  readonly axis?: number;
  /** How much a mistake counts by the class it should have been; 1 each unless said otherwise. */
  readonly classWeights?: readonly number[];
}

/** Cross-entropy of classes that exclude one another. */
export function softmaxCrossEntropy({ logits, targets = 'targets', smoothing = 0, mask, axis = -1, classWeights }: SoftmaxLoss): Loss {
  return ({ tape, output, target }) => {
    const scores = output(logits);
    const { type, dims } = tape.type(scores);
    const classAxis = axis < 0 ? axis + dims.length : axis;
    const classes = dims[classAxis] ?? 1;
    const wanted = smoothed(tape, target(targets, type, dims), smoothing, 1 / classes);
    const weighted = classWeights === undefined ? wanted : tape.add('Mul', [wanted, weightsAlong(tape, classWeights, dims, classAxis)]);
    const chosen = tape.add('Mul', [weighted, tape.add('LogSoftmax', [scores], { axis: int(classAxis) })]);
    const likelihood = tape.add('ReduceSum', [chosen, tape.longs([classAxis])], { keepdims: int(0) });
    return minus(tape, average(tape, likelihood, mask && target(mask.name, type, mask.dims)));
  };
}

function weightsAlong(tape: Tape, weights: readonly number[], dims: readonly number[], axis: number): string {
  if (weights.length !== dims[axis])
    throw new SerinError('MODEL_INVALID', { detail: `the loss has ${weights.length} class weights, the scores are [${dims.join(', ')}]` });
  return tape.constant(
    floats(
      dims.map((_, index) => (index === axis ? weights.length : 1)),
      weights,
    ),
  );
}

/** Cross-entropy of independent yes-or-no questions. */
export function sigmoidCrossEntropy({ logits, targets = 'targets', smoothing = 0, mask }: ClassLoss): Loss {
  return ({ tape, output, target }) => {
    const scores = output(logits);
    const { type, dims } = tape.type(scores);
    const wanted = smoothed(tape, target(targets, type, dims), smoothing, 1 / 2);
    const surprise = tape.add('Sub', [tape.add('Softplus', [scores]), tape.add('Mul', [scores, wanted])]);
    return average(tape, surprise, mask && target(mask.name, type, mask.dims));
  };
}

export interface FocalLoss extends Omit<ClassLoss, 'smoothing'> {
  /** How much less an answer weighs that is nearly right. */
  readonly gamma?: number;
  /** Weight of the yes answers; the no answers weigh one less this. */
  readonly alpha?: number;
}

/** Focal loss (Lin et al. 2017, equation 5) of independent yes-or-no questions, a mean over all of them. */
export function focal({ logits, targets = 'targets', gamma = 2, alpha = 0.25, mask }: FocalLoss): Loss {
  return ({ tape, output, target }) => {
    const scores = output(logits);
    const { type, dims } = tape.type(scores);
    const wanted = target(targets, type, dims);
    const { hit, miss } = focalTerms(tape, scores, gamma);
    const yes = tape.add('Mul', [tape.add('Mul', [wanted, tape.number(alpha, wanted)]), hit]);
    const unwanted = tape.add('Sub', [tape.number(1, wanted), wanted]);
    const no = tape.add('Mul', [tape.add('Mul', [unwanted, tape.number(1 - alpha, wanted)]), miss]);
    return average(tape, tape.add('Add', [yes, no]), mask && target(mask.name, type, mask.dims));
  };
}

/** `(1-p)^gamma * -log p` and `p^gamma * -log(1-p)` from scores: no logarithm or power of zero, whatever the scores. */
function focalTerms(tape: Tape, scores: string, gamma: number): { hit: string; miss: string } {
  const lack = tape.add('Softplus', [minus(tape, scores)]);
  const excess = tape.add('Softplus', [scores]);
  const power = (logarithm: string): string => tape.add('Exp', [tape.add('Mul', [logarithm, tape.number(-gamma, logarithm)])]);
  return { hit: tape.add('Mul', [power(excess), lack]), miss: tape.add('Mul', [power(lack), excess]) };
}

export interface HeatMapLoss {
  readonly logits: string;
  /** Name of the target input: 1 at a centre, falling off around it, 0 elsewhere. */
  readonly targets?: string;
  readonly gamma?: number;
  /** How much the surroundings of a centre are forgiven. */
  readonly beta?: number;
}

/** Penalty-reduced focal loss of heat maps (Law and Deng 2018, equation 1), over the number of centres. */
export function heatMapFocal({ logits, targets = 'heat', gamma = 2, beta = 4 }: HeatMapLoss): Loss {
  return ({ tape, output, target }) => {
    const scores = output(logits);
    const { type, dims } = tape.type(scores);
    const heat = target(targets, type, dims);
    const { hit, miss } = focalTerms(tape, scores, gamma);
    const centre = tape.add('Cast', [tape.add('Equal', [heat, tape.number(1, heat)])], castTo(type));
    const away = tape.add('Sub', [tape.number(1, heat), heat]);
    // Exactly zero at a centre, so no mask is needed.
    const forgiven = tape.add('Pow', [away, tape.number(beta, heat)]);
    const total = tape.add('Add', [tape.add('Mul', [centre, hit]), tape.add('Mul', [forgiven, miss])]);
    const centres = tape.add('Max', [sum(tape, centre), tape.number(1, heat)]);
    return tape.add('Div', [sum(tape, total), centres]);
  };
}

export interface RegressionLoss {
  readonly prediction: string;
  readonly targets?: string;
  readonly mask?: Mask;
}

const regression =
  ({ prediction, targets = 'targets', mask }: RegressionLoss, distance: (tape: Tape, difference: string) => string): Loss =>
  ({ tape, output, target }) => {
    const said = output(prediction);
    const { type, dims } = tape.type(said);
    const difference = tape.add('Sub', [said, target(targets, type, dims)]);
    return average(tape, distance(tape, difference), mask && target(mask.name, type, mask.dims));
  };

/** Mean absolute error. */
export const l1 = (options: RegressionLoss): Loss => regression(options, (tape, difference) => tape.add('Abs', [difference]));

/** Mean squared error. */
export const mse = (options: RegressionLoss): Loss => regression(options, (tape, difference) => tape.add('Mul', [difference, difference]));

/** Squared within `beta`, absolute beyond (Huber's loss over beta). */
export const smoothL1 = ({ beta = 1, ...options }: RegressionLoss & { readonly beta?: number }): Loss =>
  regression(options, (tape, difference) => {
    const size = tape.add('Abs', [difference]);
    if (beta === 0) return size;
    const limit = tape.number(beta, difference);
    const near = tape.add('Min', [size, limit]);
    // near^2 / (2 beta) + (size - near): equal to both branches without choosing.
    const square = tape.add('Mul', [tape.add('Mul', [near, near]), tape.number(1 / (2 * beta), difference)]);
    return tape.add('Add', [square, tape.add('Sub', [size, near])]);
  });

/** A weighted sum; each part is reported under its name. */
export const sumOf =
  (parts: Readonly<Record<string, readonly [loss: Loss, weight: number]>>): Loss =>
  (context) => {
    const { tape } = context;
    const terms = Object.entries(parts).map(([name, [loss, weight]]) => {
      const value = loss(context);
      context.part(name, value);
      return weight === 1 ? value : tape.add('Mul', [value, tape.number(weight, value)]);
    });
    return terms.reduce((total, term) => tape.add('Add', [total, term]));
  };
