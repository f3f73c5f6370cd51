import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { seededRandom } from '@serin/inference/random';

import { createGraphBuilder, type GraphBuilder } from '../../onnx/builder.ts';
import { createModel, floats, type Model, type Tensor } from '../../onnx/graph.ts';
import { inspectModel } from '../../onnx/inspect.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { openSession, runModel } from '../../onnx/session.ts';
import { decibelsOf, noiseShare } from '../recover/noise.ts';

export const normals = (seed: number, dims: readonly number[], deviation = 1): Tensor<'float32'> => {
  const random = seededRandom(seed);
  return floats(
    dims,
    Float32Array.from({ length: dims.reduce((count, dim) => count * dim, 1) }, () => random.normal() * deviation),
  );
};

/** A model of one input `x` and one output `y`. */
export function smallModel(dims: readonly (number | string)[], build: (builder: GraphBuilder) => string): Model {
  const builder = createGraphBuilder('small');
  builder.input('x', 'float32', dims);
  const last = build(builder);
  builder.add('Identity', [last], {}, ['y']);
  builder.output(
    'y',
    'float32',
    dims.map((_, axis) => `out${axis}`),
  );
  return createModel(builder.finish());
}

export const outputOf = async (model: Model, x: Tensor): Promise<Float32Array> => (await runModel(model, new Map([['x', x]]))).get('y')?.data as Float32Array;

export const sqnrDb = (wanted: ArrayLike<number>, found: ArrayLike<number>): number =>
  decibelsOf(noiseShare([Float32Array.from(wanted)], [Float32Array.from(found)]));

/** How often each operator occurs in the graph that the runtime really runs. */
export async function operatorsRun(model: Model): Promise<Readonly<Record<string, number>>> {
  const folder = await mkdtemp(join(tmpdir(), 'serin-formats-'));
  try {
    const optimisedPath = join(folder, 'optimised.onnx');
    await (await openSession(writeModel(model, { shapelessOutputs: true }), { optimisedPath })).release();
    return inspectModel(await readFile(optimisedPath)).operators;
  } finally {
    await rm(folder, { recursive: true });
  }
}
