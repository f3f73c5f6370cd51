import { SerinError } from '@serin/protocol/errors';

import { elementCount, type Tensor, type ValueInfo } from '../onnx/graph.ts';

/** Real inputs by name. */
export type Batch = Readonly<Record<string, Tensor>>;

/** Throws where a batch is not what the model takes, and says what that is. */
export function checkBatch(inputs: readonly ValueInfo[], batch: Batch, index: number): void {
  const sizes = new Map<string, number>();
  for (const input of inputs) {
    const given = Object.hasOwn(batch, input.name) ? batch[input.name] : undefined;
    const fault = given === undefined ? 'is missing' : faultOf(input, given, sizes);
    if (fault !== undefined) throw misfit(`batch ${index + 1}: input ${input.name} ${fault}`, inputs);
  }
  const unknown = Object.keys(batch).find((name) => !inputs.some((input) => input.name === name));
  if (unknown !== undefined) throw misfit(`batch ${index + 1}: the model has no input ${unknown}`, inputs);
}

function faultOf(input: ValueInfo, { type, dims, data }: Tensor, sizes: Map<string, number>): string | undefined {
  if (type !== input.type) return `is ${type}`;
  if (elementCount(dims) !== data.length || data.length === 0) return `has ${data.length} elements for the shape [${dims.join(', ')}]`;
  if (input.anyShape === true) return undefined;
  const isOther = dims.length !== input.dims.length || input.dims.some((dim, axis) => typeof dim === 'number' && dim !== dims[axis]);
  if (isOther) return `has the shape [${dims.join(', ')}]`;
  for (const [axis, dim] of input.dims.entries()) {
    if (typeof dim === 'number' || dim === '') continue;
    const size = dims[axis] as number;
    if ((sizes.get(dim) ?? size) !== size) return `has ${size} for ${dim}, which is ${sizes.get(dim)} elsewhere in the batch`;
    sizes.set(dim, size);
  }
  return undefined;
}

const misfit = (detail: string, inputs: readonly ValueInfo[]): SerinError =>
  new SerinError('CALIBRATION_MISFIT', {
    detail,
    hint: `The model takes ${inputs.map(({ name, type, dims, anyShape }) => `${name}: ${type} ${anyShape === true ? 'of any shape' : `[${dims.join(', ')}]`}`).join('; ')}`,
  });

/** Sizes of free dimensions, as the batch has them. */
export function dimensionsOf(inputs: readonly ValueInfo[], batch: Batch | undefined): Record<string, number> {
  const sizes = inputs.flatMap(({ name, dims }) =>
    dims.flatMap((dim, axis): [string, number][] => {
      const size = batch?.[name]?.dims[axis];
      return typeof dim === 'string' && size !== undefined ? [[dim, size]] : [];
    }),
  );
  return Object.fromEntries(sizes);
}
