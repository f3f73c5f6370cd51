import { SerinError } from '@serin/protocol/errors';

import type { ElementType, Node } from '../graph.ts';

/** Type and concrete shape of a value. */
export interface ValueType {
  readonly type: ElementType;
  readonly dims: readonly number[];
}

export interface ShapeContext {
  readonly node: Node;
  /** The type of an input; throws when the input is absent. */
  input(index: number): ValueType;
  /** Whether an optional input is given. */
  has(index: number): boolean;
  /** The numbers of a constant input; undefined when it is absent or computed. */
  constant(index: number): readonly number[] | undefined;
  /** The numbers of an input that decides the output's shape; throws when they are known only at run time. */
  fixed(index: number, what: string): readonly number[];
}

/** One rule an operator: the types of its outputs, in order; those nobody takes may be left out. */
export type ShapeRule = (context: ShapeContext) => ValueType[];

/** What a person reads as the node: its operator and its name, or its output's where it has none. */
export const nodeTitle = (node: Node): string => `${node.operator} ${node.name === '' ? (node.outputs[0] ?? '') : node.name}`.trimEnd();

export const mismatch = (node: Node, detail: string): SerinError =>
  new SerinError('MODEL_INVALID', {
    detail: `${nodeTitle(node)}: ${detail}`,
    hint: 'Check the size of the input and the shapes of the weights of this layer',
  });

export const unsupported = (node: Node, detail: string, hint = 'Export the model without it'): SerinError =>
  new SerinError('MODEL_UNSUPPORTED', { detail: `${nodeTitle(node)}: ${detail}`, hint });

export const shapeText = (dims: readonly number[]): string => `[${dims.join(', ')}]`;

export const at = (list: readonly number[], index: number): number => list[index] ?? 0;

export const range = (length: number): number[] => Array.from({ length }, (_, index) => index);

/** An axis counted from the front. */
export function axisOf(node: Node, axis: number, rank: number): number {
  const counted = axis < 0 ? axis + rank : axis;
  if (counted < 0 || counted >= Math.max(rank, 1)) throw mismatch(node, `expected an axis of a tensor of rank ${rank}, found ${axis}`);
  return counted;
}

export function broadcastDims(left: readonly number[], right: readonly number[]): number[] | undefined {
  const rank = Math.max(left.length, right.length);
  const dims: number[] = [];
  for (let axis = 0; axis < rank; axis += 1) {
    const a = left[axis - rank + left.length] ?? 1;
    const b = right[axis - rank + right.length] ?? 1;
    if (a !== b && a !== 1 && b !== 1) return undefined;
    dims.push(a === 1 ? b : a);
  }
  return dims;
}

/** The shape all of them broadcast to. */
export function broadcastAll(node: Node, shapes: readonly (readonly number[])[]): readonly number[] {
  return shapes.reduce((left, right) => {
    const dims = broadcastDims(left, right);
    if (dims === undefined) throw mismatch(node, `expected shapes that broadcast, found ${shapes.map(shapeText).join(' and ')}`);
    return dims;
  });
}

/** The same type and shape as the first input. */
export const same: ShapeRule = ({ input }) => [input(0)];
