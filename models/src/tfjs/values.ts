import { ints, type Attribute } from '../onnx/graph.ts';

/**
 * The order a value's dimensions lie in. `plain` is tfjs's own: channels last. `channels` has the last dimension behind
 * the batch, as convolutions want it; `time` has the first two exchanged, as recurrent operators do.
 */
export type Layout = 'plain' | 'channels' | 'time';

/** Sizes as tfjs counts them, the batch first; null where a size is open. */
export type Dims = readonly (number | null)[];

export interface Value {
  readonly dims: Dims;
  readonly type: 'float32' | 'int32';
  /** Names in the graph, by layout: the first is how the value was made, others are copies made when asked for. */
  readonly forms: Map<Layout, string>;
  /** Some steps of it are to be skipped by recurrent layers: which, as [batch, time]. */
  readonly mask?: string;
  /** The input of the model that it is, untouched. */
  readonly input?: string;
}

/** The tfjs axis at each place. */
export function orderOf(layout: Layout, rank: number): number[] {
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  if (layout === 'time') return [1, 0, ...axes.slice(2)];
  return layout === 'channels' ? [0, rank - 1, ...axes.slice(1, -1)] : axes;
}

/** Where an axis of tfjs lies. */
export const placeOf = (layout: Layout, axis: number, rank: number): number => orderOf(layout, rank).indexOf(axis);

export const homeOf = ({ forms }: Value): Layout => [...forms.keys()][0] ?? 'plain';

/** Adds a node whose name says of which layer it is. */
export type AddNode = (operator: string, inputs: readonly string[], attributes?: Record<string, Attribute>) => string;

/** The name of a value in some layout; at most one Transpose is added for it, whoever asks. */
export function inLayout(value: Value, layout: Layout, add: AddNode): string {
  const known = value.forms.get(layout);
  if (known !== undefined) return known;
  const home = homeOf(value);
  const rank = value.dims.length;
  const from = orderOf(home, rank);
  const perm = orderOf(layout, rank).map((axis) => from.indexOf(axis));
  const source = value.forms.get(home) ?? '';
  const moved = perm.every((axis, place) => axis === place) ? source : add('Transpose', [source], { perm: ints(perm) });
  value.forms.set(layout, moved);
  return moved;
}

export const valueOf = (name: string, dims: Dims, layout: Layout = 'plain', type: Value['type'] = 'float32'): Value => ({
  dims,
  type,
  forms: new Map([[layout, name]]),
});
