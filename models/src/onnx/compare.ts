import type { Random } from '@serin/inference/random';

import { elementValues } from './element-values.ts';
import { drawTensor } from './example-inputs.ts';
import type { Model, Tensor } from './graph.ts';
import { bindDims, type InferOptions } from './infer-model.ts';
import { runModel } from './session.ts';

/**
 * Runs two models on the same random inputs: the largest difference of any two outputs, as a share of the largest
 * value of that output (or of 1 where all are smaller). Other names, types or shapes count as infinitely different.
 */
export async function compareModels(before: Model, after: Model, random: Random, options: InferOptions = {}): Promise<number> {
  const inputs = new Map<string, Tensor>();
  for (const input of before.graph.inputs) {
    const dims = bindDims(input, { otherwise: 1, ...options });
    inputs.set(input.name, drawTensor(input, dims ?? [], random.fork(input.name)));
  }
  const [left, right] = [await runModel(before, inputs), await runModel(after, inputs)];
  const differences = [...left].map(([name, tensor]) => differenceOf(tensor, right.get(name)));
  return left.size === right.size ? Math.max(0, ...differences) : Number.POSITIVE_INFINITY;
}

function differenceOf(left: Tensor, right: Tensor | undefined): number {
  if (right === undefined || left.type !== right.type || left.dims.join() !== right.dims.join()) return Number.POSITIVE_INFINITY;
  let [largest, difference] = [1, 0];
  const others = elementValues(right);
  for (const value of elementValues(left)) {
    const other = others.next().value ?? Number.NaN;
    if (Object.is(value, other) || value === other) continue;
    const distance = Math.abs(value - other);
    difference = Number.isNaN(distance) ? Number.POSITIVE_INFINITY : Math.max(difference, distance);
    if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  }
  return difference / largest;
}
