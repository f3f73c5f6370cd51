import { int, numberAttribute, text } from '../../onnx/graph.ts';
import { poolGeometry, type SlidingWindow } from '../../onnx/shape-rules/spatial.ts';
import type { Tape } from '../tape.ts';
import { filledLike, type GradientContext, type GradientRule } from './rule.ts';

/** The gradient goes to the largest element of each window, of equal ones to the first. */
const maxPool: GradientRule = (context) => {
  const { tape, node, input, gradients } = context;
  if (gradients[0] === undefined) return [];
  const window = poolGeometry(node, tape.type(input(0)).dims);
  return [isTiled(window) && numberAttribute(node, 'ceil_mode', 0) === 0 ? routed(context, window) : scattered(context)];
};

/** Square windows side by side over a picture. */
export const isTiled = ({ kernel: [height = 0, width = 0, ...more], strides, dilations, pads }: SlidingWindow): boolean =>
  more.length === 0 &&
  height === width &&
  height > 1 &&
  height <= tileMax &&
  strides.every((stride) => stride === height) &&
  dilations.every((dilation) => dilation === 1) &&
  pads.every((pad) => pad === 0);

/** The tournament has a round for every element of a window but one; scattering costs the same for any window. */
const tileMax = 3;

/**
 * The first, second... elements of all windows are pictures of their own; a tournament among them finds the largest, and
 * the gradient goes back through its rounds. MaxPool with its second output, the places, takes several times as long.
 */
function routed({ tape, gradient, input }: GradientContext, { kernel: [size = 1] }: SlidingWindow): string {
  const { dims } = tape.type(input(0));
  const [height = 0, width = 0] = tape.type(gradient).dims.slice(2);
  const places = Array.from({ length: size * size }, (_, place) => [Math.floor(place / size), place % size]);
  const phases = places.map((starts) =>
    tape.add('Slice', [input(0), tape.longs(starts), tape.longs([height * size, width * size]), tape.longs([2, 3]), tape.longs([size, size])]),
  );
  const shares = tournament(tape, phases).back(gradient);
  const whole = tape.add('DepthToSpace', [tape.add('Concat', shares, { axis: int(1) })], { blocksize: int(size), mode: text('DCR') });
  const rest = [(dims[2] ?? 0) - height * size, (dims[3] ?? 0) - width * size];
  return rest.every((spare) => spare === 0) ? whole : tape.add('Pad', [whole, tape.longs([0, 0, 0, 0, 0, 0, ...rest])]);
}

interface Tournament {
  /** The largest value; made when first asked for. */
  winner(): string;
  /** Each player's share of the winner's gradient. */
  back(gradient: string): string[];
}

/** Earlier players win ties. */
function tournament(tape: Tape, players: readonly string[]): Tournament {
  const [only = ''] = players;
  if (players.length === 1) return { winner: () => only, back: (gradient) => [gradient] };
  const half = Math.ceil(players.length / 2);
  const left = tournament(tape, players.slice(0, half));
  const right = tournament(tape, players.slice(half));
  let winner: string | undefined;
  return {
    winner: () => (winner ??= tape.add('Max', [left.winner(), right.winner()])),
    back: (gradient) => {
      const isLeft = tape.add('GreaterOrEqual', [left.winner(), right.winner()]);
      const toLeft = tape.add('Where', [isLeft, gradient, tape.number(0, gradient)]);
      return [...left.back(toLeft), ...right.back(tape.add('Sub', [gradient, toLeft]))];
    },
  };
}

/** Any windows: the places of the maxima, which the runtime finds, and a sum at each of them. */
function scattered({ tape, node, gradient, input }: GradientContext): string {
  const { dims } = tape.type(input(0));
  const [, places = ''] = tape.addMany('MaxPool', [input(0)], { ...node.attributes, storage_order: int(0) }, 2);
  const flat = (value: string): string => tape.add('Reshape', [value, tape.longs([-1])]);
  const none = flat(filledLike(tape, 0, input(0)));
  const sums = tape.add('ScatterElements', [none, flat(places), flat(gradient)], { axis: int(0), reduction: text('add') });
  return tape.add('Reshape', [sums, tape.longs(dims)]);
}

export const maxPoolGradients: Readonly<Record<string, GradientRule>> = { MaxPool: maxPool };
