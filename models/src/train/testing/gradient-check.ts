import { seededRandom, shuffle, type Random } from '@serin/inference/random';

import { createModel, currentOpset, elementCount, int, type ElementType } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../../onnx/session.ts';
import { differentiate } from '../autodiff.ts';
import { castTo, createTape, type Tape } from '../tape.ts';

/** The values of an input with `count` elements. */
export type Values = (random: Random, count: number) => number[];

const each =
  (draw: (random: Random) => number): Values =>
  (random, count) =>
    Array.from({ length: count }, () => draw(random));

export const normal: Values = each((random) => random.normal());
export const positive: Values = each((random) => random.between(0.5, 2));
/** At least 0.3 from zero, where many functions have a kink. */
export const awayFromZero: Values = each((random) => (random.uniform() < 0.5 ? -1 : 1) * random.between(0.3, 1.5));
/** No two within 0.3 of each other, so that a small step never changes which one is the largest. */
export const distinct: Values = (random, count) =>
  shuffle(
    random,
    Array.from({ length: count }, (_, index) => (index - count / 2) * 0.3),
  );

export interface GradientCheck {
  /** Seeds the inputs, the weighting of the outputs and the directions of the differences. */
  readonly seed: number;
  /** float64 by default; float32 for operators the runtime has no float64 kernel of. */
  readonly type?: 'float32' | 'float64';
  readonly opset?: number;
  /** Every element is moved by up to twice this: kinks must be farther away. 0.001 in float64, 0.05 in float32. */
  readonly step?: number;
  /** Allowed difference, relative to the gradient (plus 1). 1e-7 in float64, 2e-3 in float32. */
  readonly tolerance?: number;
}

/** Declares an input whose gradient is checked; standard normal unless said otherwise. */
export type CheckedInput = (dims: readonly number[], values?: Values) => string;

/**
 * Checks gradients against differences of the graph itself, and on the way the shapes of its outputs. `build` writes a graph from inputs it declares and returns
 * the (floating-point) outputs to look at. They are summed under random weights, so that a wrong gradient of any element
 * shows; each input is then moved along random directions, in a five-point difference.
 */
export async function checkGradient(build: (tape: Tape, input: CheckedInput) => string | readonly string[], check: GradientCheck): Promise<void> {
  const { seed, type = 'float64', opset = currentOpset } = check;
  const { step = type === 'float64' ? 1e-3 : 0.05, tolerance = type === 'float64' ? 1e-7 : 2e-3 } = check;
  const random = seededRandom(seed);
  const tape = createTape('check', opset);
  const values = new Map<string, Float32Array | Float64Array>();
  const built = build(tape, (dims, draw = normal) => {
    const name = tape.input(`x${values.size}`, type, dims);
    values.set(name, arrayOf(type, draw(random.fork(name), elementCount(dims))));
    return name;
  });
  const outputs = typeof built === 'string' ? [built] : built;
  const loss = weightedSum(tape, outputs, random.fork('weights'));
  const names = [...values.keys()];
  const gradients = differentiate(tape, loss, names);
  // Twins, because two inputs may share one gradient and a graph output is named once.
  const gradientNames = new Map(names.map((name) => [name, tape.add('Identity', [gradients.get(name) ?? ''])]));
  const seen = outputs.map((output) => tape.add('Identity', [output]));
  for (const output of [loss, ...gradientNames.values(), ...seen]) tape.output(output);

  const session = await openSession(writeModel({ ...createModel(tape.finish()), opsets: { '': opset } }));
  try {
    const run = (changed?: string, other?: Float32Array | Float64Array) =>
      session.run(
        Object.fromEntries(
          [...values].map(([name, data]) => [name, runtimeTensor(type, name === changed && other !== undefined ? other : data, tape.type(name).dims)]),
        ),
      );
    const analytic = await run();
    for (const output of seen) {
      const { dims } = tape.type(output);
      const made = analytic[output]?.dims ?? [];
      if (made.join() !== dims.join()) throw new Error(`an output has the shape [${made.join()}], its shape rule says [${dims.join()}]`);
    }
    for (const [name, data] of values) {
      const gradient = analytic[gradientNames.get(name) ?? ''];
      const { dims } = tape.type(name);
      if (gradient === undefined || gradient.dims.join() !== dims.join()) {
        throw new Error(`the gradient of ${name} has the shape [${gradient?.dims.join() ?? ''}], expected [${dims.join()}]`);
      }
      const slopeAlong = async (direction: readonly number[]): Promise<number> => {
        const lossAt = async (distance: number): Promise<number> => {
          const moved = data.map((value, index) => value + distance * (direction[index] ?? 0));
          return Number((await run(name, moved))[loss]?.data[0]);
        };
        const near = (await lossAt(step)) - (await lossAt(-step));
        const far = (await lossAt(2 * step)) - (await lossAt(-2 * step));
        return (8 * near - far) / (12 * step);
      };
      const differs = (found: number, expected: number): boolean => !(Math.abs(found - expected) <= tolerance * (1 + Math.abs(expected)));
      const found = Array.from(gradient.data as Float64Array);
      for (let round = 0; round < directionsPerInput; round += 1) {
        const direction = directionOf(random, data.length);
        const expected = await slopeAlong(direction);
        if (!differs(dot(found, direction), expected)) continue;
        const wrong: string[] = [];
        for (let index = 0; index < data.length && wrong.length < reportedMax; index += 1) {
          const slope = await slopeAlong(data.length === 1 ? [1] : found.map((_, place) => (place === index ? 1 : 0)));
          if (differs(found[index] ?? Number.NaN, slope)) wrong.push(`[${index}] is ${found[index]}, differences say ${slope}`);
        }
        throw new Error(
          `the gradient of ${name} [${dims.join()}] is ${dot(found, direction)} along a direction, differences say ${expected}; ${wrong.join('; ')}`,
        );
      }
    }
  } finally {
    await session.release();
  }
}

const directionsPerInput = 2;
const reportedMax = 5;

/** No element is left out: each moves by 0.5 to 1. */
const directionOf = (random: Random, count: number): number[] =>
  Array.from({ length: count }, () => (random.uniform() < 0.5 ? -1 : 1) * random.between(0.5, 1));

const dot = (left: readonly number[], right: readonly number[]): number => left.reduce((sum, value, index) => sum + value * (right[index] ?? 0), 0);

const arrayOf = (type: 'float32' | 'float64', values: readonly number[]): Float32Array | Float64Array =>
  type === 'float32' ? Float32Array.from(values) : Float64Array.from(values);

function weightedSum(tape: Tape, outputs: readonly string[], random: Random): string {
  const sums = outputs.map((output) => {
    const { type, dims } = tape.type(output);
    const weights = tape.constant({ type: 'float64', dims, data: Float64Array.from({ length: elementCount(dims) }, () => random.normal()) });
    // A sum in float32 would round away what a small step changes.
    const wide = floating(type) === 'float64' ? output : tape.add('Cast', [output], castTo('float64'));
    return tape.add('ReduceSum', [tape.add('Mul', [wide, weights])], { keepdims: int(0) });
  });
  return sums.reduce((left, right) => tape.add('Add', [left, right]));
}

function floating(type: ElementType): 'float32' | 'float64' {
  if (type !== 'float32' && type !== 'float64') throw new Error(`an output of type ${type} has no gradient to check`);
  return type;
}
