/** A function of many variables, smooth and best convex: writes its gradient and returns its value. */
export type Objective = (point: Float64Array, gradient: Float64Array) => number;

export interface MinimiseOptions {
  readonly roundsMax: number;
  /** Ends where no part of the gradient is larger; 0 when left out. */
  readonly gradientMax?: number;
  /** Ends where the gradient is this much shorter than at the start; 0 when left out. */
  readonly gradientShare?: number;
  /** About how curved the function is along each variable, up to a common factor: variables of unlike scales take far fewer rounds. */
  readonly curvature?: Float64Array;
  /** Steps that are remembered, each as two vectors; 12 when left out. */
  readonly memory?: number;
  /** Called after each round, and may wait; what it throws ends the search. */
  readonly onRound?: ((round: number, value: number, gradientShare: number) => Promise<void> | void) | undefined;
}

export interface Minimum {
  readonly value: number;
  readonly rounds: number;
  readonly converged: boolean;
}

const halvingsMax = 40;
/** Armijo's condition: a step must win this share of what the slope promises. */
const promised = 1e-4;

/**
 * Finds the minimum from a point on, in place, by L-BFGS (Nocedal and Wright, algorithms 7.4 and 7.5): directions from what the
 * last steps told of the curvature, each halved until it wins enough.
 */
export async function minimise(objective: Objective, point: Float64Array, options: MinimiseOptions): Promise<Minimum> {
  const { roundsMax, gradientMax = 0, gradientShare = 0, curvature, memory = 12, onRound } = options;
  const size = point.length;
  let at: Float64Array = point;
  let next: Float64Array = new Float64Array(size);
  let gradient: Float64Array = new Float64Array(size);
  let nextGradient: Float64Array = new Float64Array(size);
  const direction = new Float64Array(size);
  const steps: Step[] = [];
  let value = objective(at, gradient);
  const first = length(gradient);
  const isEnough = (): boolean => gradient.every((part) => Math.abs(part) <= gradientMax) || length(gradient) <= gradientShare * first;
  let rounds = 0;
  let converged = isEnough();
  while (!converged && rounds < roundsMax) {
    descend(direction, gradient, steps, curvature);
    const slope = dot(direction, gradient);
    // Without a step behind it or a curvature, a direction says nothing of how far.
    let share = steps.length > 0 ? 1 : curvature === undefined ? 1 / length(gradient) : Math.min(1, 1 / length(direction));
    let found = Number.NaN;
    for (let halvings = 0; halvings < halvingsMax; halvings += 1, share /= 2) {
      for (let index = 0; index < size; index += 1) next[index] = (at[index] as number) + share * (direction[index] as number);
      found = objective(next, nextGradient);
      if (found <= value + promised * share * slope) break;
    }
    // What is left is rounding.
    if (!(found < value)) break;
    remember(steps, memory, at, next, gradient, nextGradient);
    [at, next] = [next, at];
    [gradient, nextGradient] = [nextGradient, gradient];
    value = found;
    rounds += 1;
    converged = isEnough();
    await onRound?.(rounds, value, length(gradient) / first);
  }
  if (at !== point) point.set(at);
  return { value, rounds, converged };
}

interface Step {
  readonly moved: Float64Array;
  readonly turned: Float64Array;
  product: number;
}

function remember(steps: Step[], memory: number, from: Float64Array, to: Float64Array, before: Float64Array, after: Float64Array): void {
  // The vectors of the step that is forgotten serve again.
  const step = (steps.length >= memory ? steps.shift() : undefined) ?? {
    moved: new Float64Array(from.length),
    turned: new Float64Array(from.length),
    product: 0,
  };
  const { moved, turned } = step;
  for (let index = 0; index < from.length; index += 1) {
    moved[index] = (to[index] as number) - (from[index] as number);
    turned[index] = (after[index] as number) - (before[index] as number);
  }
  step.product = dot(moved, turned);
  if (step.product > 1e-14 * dot(turned, turned)) steps.push(step);
}

/** Writes minus the estimate of the inverse Hessian times the gradient. */
function descend(direction: Float64Array, gradient: Float64Array, steps: readonly Step[], curvature: Float64Array | undefined): void {
  for (let index = 0; index < direction.length; index += 1) direction[index] = -(gradient[index] as number);
  const shares: number[] = [];
  for (const { moved, turned, product } of steps.toReversed()) {
    const share = dot(moved, direction) / product;
    shares.push(share);
    addScaled(direction, -share, turned);
  }
  const latest = steps.at(-1);
  const scale = latest === undefined ? 1 : latest.product / squareOver(latest.turned, curvature);
  for (let index = 0; index < direction.length; index += 1) {
    direction[index] = ((direction[index] as number) * scale) / (curvature === undefined ? 1 : (curvature[index] as number));
  }
  for (const { moved, turned, product } of steps) addScaled(direction, (shares.pop() as number) - dot(turned, direction) / product, moved);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index += 1) sum += (a[index] as number) * (b[index] as number);
  return sum;
}

const length = (vector: Float64Array): number => Math.sqrt(dot(vector, vector));

/** The square of a vector, each part of it by its curvature. */
function squareOver(vector: Float64Array, curvature: Float64Array | undefined): number {
  if (curvature === undefined) return dot(vector, vector);
  let sum = 0;
  for (let index = 0; index < vector.length; index += 1) sum += (vector[index] as number) ** 2 / (curvature[index] as number);
  return sum;
}

function addScaled(into: Float64Array, scale: number, from: Float64Array): void {
  for (let index = 0; index < into.length; index += 1) into[index] = (into[index] as number) + scale * (from[index] as number);
}
