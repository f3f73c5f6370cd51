/** A function of many variables, convex and smooth: writes its gradient and returns its value. */
export type Convex = (at: Float64Array, gradient: Float64Array) => number;

export interface MinimiseOptions {
  readonly roundsMax: number;
  /** Ends where no part of the gradient is larger. */
  readonly gradientMax: number;
  /** About how curved the function is along each variable, up to a common factor: variables of unlike scales take far fewer rounds. */
  readonly curvature?: Float64Array;
  /** Called before every round; what it throws ends the search. */
  readonly onRound?: (() => void | Promise<void>) | undefined;
}

export interface Minimum {
  readonly at: Float64Array;
  readonly value: number;
  readonly rounds: number;
}

/** Steps that are remembered. */
const memory = 12;
const halvingsMax = 40;
/** A step must win this share of what the slope promises. */
const promised = 1e-4;

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let index = 0; index < a.length; index += 1) sum += (a[index] as number) * (b[index] as number);
  return sum;
};

function addScaled(into: Float64Array, scale: number, from: Float64Array): void {
  for (let index = 0; index < into.length; index += 1) into[index] = (into[index] as number) + scale * (from[index] as number);
}

interface Step {
  readonly moved: Float64Array;
  readonly turned: Float64Array;
  readonly product: number;
}

/** L-BFGS: directions from what the last steps told of the curvature, each halved until it wins enough. */
export async function minimise(convex: Convex, size: number, { roundsMax, gradientMax, curvature, onRound }: MinimiseOptions): Promise<Minimum> {
  let at = new Float64Array(size);
  let gradient = new Float64Array(size);
  let value = convex(at, gradient);
  const steps: Step[] = [];
  let rounds = 0;
  for (; rounds < roundsMax && gradient.some((part) => Math.abs(part) > gradientMax); rounds += 1) {
    await onRound?.();
    const direction = directionOf(gradient, steps, curvature);
    const slope = dot(direction, gradient);
    let length = steps.length === 0 ? Math.min(1, 1 / Math.sqrt(dot(direction, direction))) : 1;
    const next = new Float64Array(size);
    const nextGradient = new Float64Array(size);
    let nextValue = Infinity;
    for (let halvings = 0; halvings < halvingsMax; halvings += 1, length /= 2) {
      next.set(at);
      addScaled(next, length, direction);
      nextValue = convex(next, nextGradient);
      if (nextValue <= value + promised * length * slope) break;
    }
    // What is left is rounding.
    if (!(nextValue < value)) break;
    const moved = next.map((part, index) => part - (at[index] as number));
    const turned = nextGradient.map((part, index) => part - (gradient[index] as number));
    const product = dot(moved, turned);
    if (product > 1e-14 * dot(turned, turned)) steps.push({ moved, turned, product });
    if (steps.length > memory) steps.shift();
    [at, gradient, value] = [next, nextGradient, nextValue];
  }
  return { at, value, rounds };
}

function directionOf(gradient: Float64Array, steps: readonly Step[], curvature: Float64Array | undefined): Float64Array {
  const direction = gradient.map((part) => -part);
  const shares = steps.map(() => 0);
  for (let index = steps.length - 1; index >= 0; index -= 1) {
    const { moved, turned, product } = steps[index] as Step;
    shares[index] = dot(moved, direction) / product;
    addScaled(direction, -(shares[index] as number), turned);
  }
  const flatten = (values: Float64Array): Float64Array =>
    curvature === undefined ? values : values.map((value, index) => value / (curvature[index] as number));
  const last = steps.at(-1);
  const scale = last === undefined ? 1 : last.product / dot(last.turned, flatten(last.turned));
  const flat = flatten(direction).map((part) => part * scale);
  steps.forEach(({ moved, turned, product }, index) => addScaled(flat, (shares[index] as number) - dot(turned, flat) / product, moved));
  return flat;
}
