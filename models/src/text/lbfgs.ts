/** The value at a point; writes the gradient there. */
export type Objective = (point: Float64Array, gradient: Float64Array) => number;

export interface MinimiseOptions {
  readonly iterationsMax: number;
  /** It ends where the gradient is this much shorter than at the start of the search. */
  readonly tolerance: number;
  /** Called after each iteration, and may wait; what it throws ends the search. */
  readonly onIteration?: (iteration: number, value: number, gradientShare: number) => Promise<void> | void;
}

export interface Minimum {
  readonly iterations: number;
  readonly value: number;
  readonly converged: boolean;
}

const memory = 6;
const halvingsMax = 30;
/** Armijo's condition: a step must win this share of what the slope promises. */
const sufficient = 1e-4;

/** Finds the minimum of a smooth convex function by L-BFGS (Nocedal and Wright, algorithms 7.4 and 7.5), in place. */
export async function minimise(objective: Objective, point: Float64Array, options: MinimiseOptions): Promise<Minimum> {
  const { iterationsMax, tolerance, onIteration } = options;
  const size = point.length;
  let gradient: Float64Array = new Float64Array(size);
  let nextGradient: Float64Array = new Float64Array(size);
  let next: Float64Array = new Float64Array(size);
  let at: Float64Array = point;
  const direction = new Float64Array(size);
  const pairs: Pair[] = [];
  let value = objective(at, gradient);
  const first = length(gradient);
  let iteration = 0;
  let converged = first === 0;
  while (!converged && iteration < iterationsMax) {
    descend(direction, gradient, pairs);
    const slope = dot(direction, gradient);
    let step = pairs.length === 0 ? 1 / Math.max(1e-12, length(gradient)) : 1;
    let found = Number.NaN;
    let halvings = 0;
    for (; halvings < halvingsMax; halvings += 1, step /= 2) {
      for (let index = 0; index < size; index += 1) next[index] = (at[index] ?? 0) + step * (direction[index] ?? 0);
      found = objective(next, nextGradient);
      if (found <= value + sufficient * step * slope) break;
    }
    // No step wins anything: as good as numbers of this length can say.
    if (halvings === halvingsMax) break;
    remember(pairs, at, next, gradient, nextGradient);
    [at, next] = [next, at];
    [gradient, nextGradient] = [nextGradient, gradient];
    value = found;
    iteration += 1;
    const share = length(gradient) / first;
    converged = share <= tolerance;
    await onIteration?.(iteration, value, share);
  }
  if (at !== point) point.set(at);
  return { iterations: iteration, value, converged };
}

interface Pair {
  readonly move: Float64Array;
  readonly change: Float64Array;
  readonly rho: number;
}

function remember(pairs: Pair[], from: Float64Array, to: Float64Array, before: Float64Array, after: Float64Array): void {
  // The buffers of the pair that is forgotten serve again.
  const old = pairs.length === memory ? pairs.shift() : undefined;
  const move = old?.move ?? new Float64Array(from.length);
  const change = old?.change ?? new Float64Array(from.length);
  for (let index = 0; index < from.length; index += 1) {
    move[index] = (to[index] ?? 0) - (from[index] ?? 0);
    change[index] = (after[index] ?? 0) - (before[index] ?? 0);
  }
  const product = dot(move, change);
  if (product > 1e-300) pairs.push({ move, change, rho: 1 / product });
}

/** Writes minus the inverse Hessian's estimate times the gradient. */
function descend(direction: Float64Array, gradient: Float64Array, pairs: readonly Pair[]): void {
  direction.set(gradient);
  const shares: number[] = [];
  for (const { move, change, rho } of pairs.toReversed()) {
    const share = rho * dot(move, direction);
    shares.push(share);
    add(direction, change, -share);
  }
  const latest = pairs.at(-1);
  scale(direction, latest === undefined ? 1 : 1 / (latest.rho * dot(latest.change, latest.change)));
  for (const { move, change, rho } of pairs) add(direction, move, (shares.pop() ?? 0) - rho * dot(change, direction));
  scale(direction, -1);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index += 1) sum += (a[index] ?? 0) * (b[index] ?? 0);
  return sum;
}

const length = (vector: Float64Array): number => Math.sqrt(dot(vector, vector));

function add(to: Float64Array, vector: Float64Array, factor: number): void {
  for (let index = 0; index < to.length; index += 1) to[index] = (to[index] ?? 0) + factor * (vector[index] ?? 0);
}

function scale(vector: Float64Array, factor: number): void {
  for (let index = 0; index < vector.length; index += 1) vector[index] = (vector[index] ?? 0) * factor;
}
