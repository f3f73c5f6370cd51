import { int, type Node } from '../../onnx/graph.ts';
import type { Tape } from '../tape.ts';

export interface GradientContext {
  readonly tape: Tape;
  readonly node: Node;
  /** Gradients of the loss with respect to the outputs; undefined where nobody uses one. At least one is there. */
  readonly gradients: readonly (string | undefined)[];
  /** The gradient of the first output: all there is to know for an operator with one output. */
  readonly gradient: string;
  readonly output: string;
  readonly outputs: readonly string[];
  /** The name of an input; empty when it is left out. */
  input(index: number): string;
  /** Whether anybody asks for the gradient of this input. */
  needs(index: number): boolean;
}

/** Gradients of the inputs, in order; undefined where there is none. */
export type GradientRule = (context: GradientContext) => (string | undefined)[];

/** Sums a gradient over the axes along which `value` was broadcast. */
export function sumTo(tape: Tape, gradient: string, value: string): string {
  const from = tape.type(gradient).dims;
  const to = tape.type(value).dims;
  const lead = from.length - to.length;
  const axes = from.map((_, axis) => axis).filter((axis) => axis < lead || (to[axis - lead] === 1 && from[axis] !== 1));
  if (axes.length === 0) return gradient;
  const onlyLead = axes.length === lead;
  const sum = tape.add('ReduceSum', [gradient, tape.longs(axes)], { keepdims: int(onlyLead ? 0 : 1) });
  return lead === 0 || onlyLead ? sum : tape.add('Reshape', [sum, tape.longs(to)]);
}

export const reshapeLike = (tape: Tape, gradient: string, value: string): string => tape.add('Reshape', [gradient, tape.longs(tape.type(value).dims)]);

export const scaled = (tape: Tape, value: string, factor: number): string => (factor === 1 ? value : tape.add('Mul', [value, tape.number(factor, value)]));

export const square = (tape: Tape, value: string): string => tape.add('Mul', [value, value]);

/** A tensor shaped like `value` that holds one number everywhere. */
export const filledLike = (tape: Tape, number: number, value: string): string => {
  const { dims } = tape.type(value);
  const one = tape.number(number, value);
  return dims.length === 0 ? one : tape.add('Expand', [one, tape.longs(dims)]);
};

/** Steps and plateaus: flat wherever they have a slope at all. */
export const noSlope: GradientRule = () => [];
