import type { Random } from '@serin/inference/random';

import { elementCount, type Tensor, type ValueInfo } from '../onnx/graph.ts';
import { bindDims, type InferOptions } from '../onnx/infer-model.ts';
import { runModel } from '../onnx/session.ts';
import type { ImportedModel } from './import-model.ts';
import type { TfjsFiles } from './open-model.ts';
import { differenceOf, predictWithTfjs, type TfjsRuntime } from './runtime.ts';

/** Values around zero, as large as `span`; where an input counts rows of a table, numbers of rows. */
export function drawInputs({ model, rows }: ImportedModel, random: Random, options: InferOptions = {}, span = 1): Map<string, Tensor> {
  return new Map(model.graph.inputs.map((input) => [input.name, draw(input, rows.get(input.name), random.fork(input.name), options, span)]));
}

function draw(input: ValueInfo, rows: number | undefined, random: Random, options: InferOptions, span: number): Tensor {
  const dims = bindDims(input, { otherwise: 32, ...options, dimensions: { N: 2, ...options.dimensions } }) ?? [];
  const value = (): number => (rows === undefined ? random.between(-span, span) : random.integer(rows));
  const length = elementCount(dims);
  return input.type === 'int32'
    ? { type: 'int32', dims, data: Int32Array.from({ length }, () => (rows === undefined ? random.integer(4) : value())) }
    : { type: 'float32', dims, data: Float32Array.from({ length }, value) };
}

/** Runs tfjs and ONNX Runtime on the same random inputs: the largest difference as a share of the largest output. */
export async function checkImport(
  runtime: TfjsRuntime,
  files: TfjsFiles,
  imported: ImportedModel,
  random: Random,
  options: InferOptions = {},
): Promise<number> {
  let worst = 0;
  // Some models take small numbers, others bytes; with the wrong ones much of a network is flat.
  for (const span of [1, 255]) {
    const inputs = drawInputs(imported, random.fork(`${span}`), options, span);
    worst = Math.max(worst, await compareOutputs(imported, inputs, await predictWithTfjs(runtime, files, inputs)));
  }
  return worst;
}

/** The largest difference of what the imported model makes of some inputs to what was expected. */
export async function compareOutputs({ model }: ImportedModel, inputs: ReadonlyMap<string, Tensor>, expected: readonly Tensor[]): Promise<number> {
  const made = await runModel(model, inputs);
  const differences = model.graph.outputs.map(({ name }, index) => {
    const reference = expected[index];
    return reference === undefined ? Number.POSITIVE_INFINITY : differenceOf(reference, made.get(name));
  });
  return expected.length === differences.length ? Math.max(...differences) : Number.POSITIVE_INFINITY;
}
