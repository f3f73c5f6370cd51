import type { TextEntries } from '@serin/inference/text/prepare';

/** Rows of mostly zeros: row i is `columns` and `values` from `starts[i]` to `starts[i + 1]`. */
export interface SparseRows {
  readonly count: number;
  readonly width: number;
  readonly starts: Int32Array;
  readonly columns: Int32Array;
  readonly values: Float32Array;
}

export function sparseRows(rows: readonly TextEntries[], width: number): SparseRows {
  const starts = new Int32Array(rows.length + 1);
  rows.forEach(({ buckets }, index) => (starts[index + 1] = (starts[index] ?? 0) + buckets.length));
  const total = starts[rows.length] ?? 0;
  const columns = new Int32Array(total);
  const values = new Float32Array(total);
  rows.forEach(({ buckets, weights }, index) => {
    columns.set(buckets, starts[index]);
    values.set(weights, starts[index]);
  });
  return { count: rows.length, width, starts, columns, values };
}

/** The same rows over the columns that occur, and which those are: what never occurs costs nothing to learn. */
export function compactRows(rows: SparseRows): { rows: SparseRows; used: Int32Array } {
  const places = new Int32Array(rows.width).fill(-1);
  const used: number[] = [];
  const columns = rows.columns.map((column) => {
    let place = places[column] ?? -1;
    if (place < 0) {
      place = used.length;
      places[column] = place;
      used.push(column);
    }
    return place;
  });
  return { rows: { ...rows, columns, width: used.length }, used: Int32Array.from(used) };
}

/** Rows of two sets, one after the other. */
export function joinRows(first: SparseRows, second: SparseRows): SparseRows {
  const starts = new Int32Array(first.count + second.count + 1);
  starts.set(first.starts);
  const offset = first.columns.length;
  for (let row = 1; row <= second.count; row += 1) starts[first.count + row] = offset + (second.starts[row] ?? 0);
  const columns = new Int32Array(offset + second.columns.length);
  columns.set(first.columns);
  columns.set(second.columns, offset);
  const values = new Float32Array(columns.length);
  values.set(first.values);
  values.set(second.values, offset);
  return { count: first.count + second.count, width: first.width, starts, columns, values };
}
