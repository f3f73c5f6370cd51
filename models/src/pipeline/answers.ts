import { embeddingOutput } from '@serin/inference/embedding';
import { textPreparer, type TextRecord } from '@serin/inference/text/prepare';
import type { Preprocessing } from '@serin/protocol/bundle/preprocessing';
import { SerinError } from '@serin/protocol/errors';

import type { Table } from '../data/table.ts';
import type { Tensor } from '../onnx/graph.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import { featuresOf } from '../trees/feature-matrix.ts';
import type { LearningFacts, Part } from './part.ts';
import { recordOf } from './part.ts';

interface Rows {
  readonly values: Float32Array;
  /** Numbers in a row. */
  readonly width: number;
}

/** What a model says of the rows of a part: probabilities row by row, or one value each. */
export interface Answers extends Rows {
  readonly kind: 'probabilities' | 'value';
  /** What the model puts out beside them, where it was asked for and there is any. */
  readonly embeddings?: Rows | undefined;
}

export type Feeds = Readonly<Record<string, Tensor>>;

/** Inputs of a model for rows of a part, by the same rules as on a device. */
export type Feeder = (from: number, to: number) => Feeds;

export function feederOf(preprocessing: Preprocessing | undefined, part: Part, frame: LearningFacts['frame']): Feeder {
  if (preprocessing === undefined) return pixelFeeder(part, frame);
  if (preprocessing.kind === 'table') {
    const { values, columns, rows } = featuresOf(
      withAbsent(
        part.table,
        preprocessing.columns.map(({ name }) => name),
      ),
      preprocessing.columns,
    );
    return (from, to) => {
      const data = new Float32Array((to - from) * columns.length);
      columns.forEach((_, place) => {
        for (let row = from; row < to; row += 1) data[(row - from) * columns.length + place] = values[place * rows + row] as number;
      });
      return { features: { type: 'float32', dims: [to - from, columns.length], data } };
    };
  }
  const names = [...new Set(preprocessing.fields.map(({ name }) => name))];
  const preparer = textPreparer(preprocessing);
  return (from, to) => {
    const words = Array.from({ length: to - from }, (_, index) => preparer.words(recordOf(part.table, names, from + index) as TextRecord));
    return Object.fromEntries(Object.entries(preparer.tensors(words)).map(([name, { type, dims, data }]) => [name, { type, dims, data }]));
  };
}

/** A column that these rows do not have is missing in every row, as it would be on a device that does not send it. */
function withAbsent(table: Table, names: readonly string[]): Table {
  const absent = names.filter((name) => !table.columns.some((column) => column.name === name));
  if (absent.length === 0) return table;
  return {
    rows: table.rows,
    columns: [...table.columns, ...absent.map((name) => ({ kind: 'number' as const, name, values: new Float64Array(table.rows).fill(Number.NaN) }))],
  };
}

function pixelFeeder({ pixels, rows }: Part, frame: LearningFacts['frame']): Feeder {
  if (pixels === undefined || frame === null)
    throw new SerinError('MODEL_UNSUPPORTED', { detail: 'a model without preprocessing takes pictures, and these rows are none' });
  const { size, channels } = frame;
  const bytes = pixels.length / Math.max(1, rows);
  return (from, to) => ({ image: { type: 'uint8', dims: [to - from, size, size, channels], data: pixels.subarray(from * bytes, to * bytes) } });
}

export interface AnswerOptions {
  readonly signal: AbortSignal | undefined;
  readonly onRows?: (done: number) => void;
  readonly embeddings?: boolean;
}

const rowsPerRun = { pictures: 64, records: 2048, texts: 256 } as const;

/** Runs a model over all rows in the real runtime. */
export async function answersOf(
  model: Uint8Array,
  preprocessing: Preprocessing | undefined,
  part: Part,
  frame: LearningFacts['frame'],
  options: AnswerOptions,
): Promise<Answers> {
  const feeder = feederOf(preprocessing, part, frame);
  const step = preprocessing === undefined ? rowsPerRun.pictures : preprocessing.kind === 'table' ? rowsPerRun.records : rowsPerRun.texts;
  // One thread: how a sum is shared among several shows in its last digits, and figures must not depend on that.
  const session = await openSession(model);
  try {
    const name = session.outputNames.includes('value') ? 'value' : 'probabilities';
    const asked = options.embeddings === true && session.outputNames.includes(embeddingOutput) ? [name, embeddingOutput] : [name];
    const found = new Map<string, Rows>();
    for (let from = 0; from < part.rows; from += step) {
      throwIfCancelled(options.signal);
      const to = Math.min(part.rows, from + step);
      const feeds = Object.entries(feeder(from, to)).map(([input, { type, data, dims }]) => [input, runtimeTensor(type, data, dims)] as const);
      const outputs = await session.run(Object.fromEntries(feeds));
      for (const output of asked) {
        const data = outputs[output]?.data as Float32Array | undefined;
        if (data === undefined) throw new SerinError('MODEL_UNSUPPORTED', { detail: `it has no output ${output}` });
        const width = data.length / (to - from);
        const { values } = found.get(output) ?? { values: new Float32Array(part.rows * width) };
        values.set(data, from * width);
        found.set(output, { values, width });
      }
      options.onRows?.(to);
    }
    return { kind: name, ...(found.get(name) ?? { values: new Float32Array(), width: 1 }), embeddings: found.get(embeddingOutput) };
  } finally {
    await session.release();
  }
}

/** Answers of a model with other labels, or the same in another order: a class it does not know it never gives. */
export function relabel(answers: Answers, from: readonly string[], to: readonly string[]): Answers {
  if (answers.kind === 'value' || (from.length === to.length && from.every((label, place) => label === to[place]))) return answers;
  const rows = answers.values.length / answers.width;
  const values = new Float32Array(rows * to.length);
  to.forEach((label, place) => {
    const known = from.indexOf(label);
    if (known === -1) return;
    for (let row = 0; row < rows; row += 1) values[row * to.length + place] = answers.values[row * answers.width + known] ?? 0;
  });
  return { kind: 'probabilities', values, width: to.length };
}
