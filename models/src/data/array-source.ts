import { elementCount, type Tensor, type TypedArrays } from '../onnx/graph.ts';
import type { BatchSource } from './batch-source.ts';
import { addProblem, noProblems, refuseProblems } from './problems.ts';

export interface ArraySourceOptions {
  /** By input of the model; the first dimension of each counts the examples. */
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** By target of the loss, likewise. */
  readonly targets: Readonly<Record<string, Tensor>>;
}

type AnyArray = TypedArrays[keyof TypedArrays];

/** Batches of a set that is in memory already, row by row of its tensors. */
export function arraySource({ feeds, targets }: ArraySourceOptions): BatchSource {
  const tensors = [...Object.entries(feeds), ...Object.entries(targets)];
  const examples = tensors[0]?.[1].dims[0] ?? 0;
  checkTensors(tensors, examples);
  const gather = (set: Readonly<Record<string, Tensor>>, indices: Int32Array): Record<string, Tensor> =>
    Object.fromEntries(Object.entries(set).map(([name, tensor]) => [name, gatherRows(tensor, indices)]));
  return {
    examples,
    fill: (indices) => {
      for (const index of indices) if (index < 0 || index >= examples) throw new RangeError(`example ${index} of ${examples}`);
      return { feeds: gather(feeds, indices), targets: gather(targets, indices) };
    },
  };
}

function gatherRows({ type, dims, data }: Tensor, indices: Int32Array): Tensor {
  const rowDims = dims.slice(1);
  const row = elementCount(rowDims);
  const rows = new (data.constructor as new (length: number) => AnyArray)(indices.length * row);
  indices.forEach((index, place) => rows.set(data.subarray(index * row, (index + 1) * row) as never, place * row));
  return { type, dims: [indices.length, ...rowDims], data: rows };
}

function checkTensors(tensors: readonly (readonly [string, Tensor])[], examples: number): void {
  const problems = noProblems();
  if (examples === 0) addProblem(problems, { kind: 'empty', file: 'arrays', detail: 'there is no example' });
  for (const [name, { type, dims, data }] of tensors) {
    const wanted = elementCount(dims);
    if (dims[0] !== examples)
      addProblem(problems, { kind: 'format', file: name, detail: `it has ${dims[0] ?? 0} examples, ${tensors[0]?.[0]} has ${examples}` });
    else if (data.length !== wanted)
      addProblem(problems, { kind: 'format', file: name, detail: `it has ${data.length} values, [${dims.join(', ')}] has ${wanted}` });
    else if (type === 'float32' || type === 'float64') {
      const row = Math.max(1, wanted / Math.max(1, examples));
      let reported = -1;
      (data as Float32Array).forEach((value, at) => {
        const example = Math.floor(at / row);
        if (Number.isFinite(value) || example === reported) return;
        reported = example;
        addProblem(problems, { kind: 'format', file: name, at: `example ${example}`, detail: `it holds ${value}` });
      });
    }
  }
  refuseProblems(problems);
}
