import { elementCount, type Tensor } from '../onnx/graph.ts';
import { quantiseWeight, weightScale } from './parameters.ts';

/** A weight is `data` times the scale of its row (first axis) times that of its column (second axis). */
export interface WeightBytes {
  readonly data: Int8Array;
  readonly rows: Float32Array;
  readonly columns: Float32Array;
}

/**
 * Scales along both channels: one outlying input channel does not cost the others their precision, which of a detector's
 * float answer kept 39 dB instead of 33.
 */
export function packBytes({ dims, data }: Tensor<'float32'>): WeightBytes {
  const [height = 1, width = 1] = dims;
  const inner = elementCount(dims.slice(2));
  const largest = new Float64Array(height * width);
  for (let index = 0; index < data.length; index += 1) {
    const place = Math.floor(index / inner);
    largest[place] = Math.max(largest[place] as number, Math.abs(data[index] as number));
  }
  const most = balance(largest, height, width);
  const rows = Float32Array.from(most.rows, (row) => weightScale(row, 8));
  const columns = Float32Array.from(most.columns, (column) => column || 1);
  return {
    rows,
    columns,
    data: Int8Array.from(data, (value, index) => {
      const place = Math.floor(index / inner);
      return quantiseWeight(value, (rows[Math.floor(place / width)] as number) * (columns[place % width] as number), 8);
    }),
  };
}

/** Row times column is no less than the largest weight of a place. */
function balance(largest: Float64Array, height: number, width: number): { rows: Float64Array; columns: Float64Array } {
  const rows = new Float64Array(height);
  const columns = new Float64Array(width);
  const each = (visit: (most: number, row: number, column: number) => void): void => {
    for (let place = 0; place < largest.length; place += 1) visit(largest[place] as number, Math.floor(place / width), place % width);
  };
  const raise = (scales: Float64Array, index: number, value: number): void => {
    if (value > (scales[index] as number)) scales[index] = value;
  };
  // Half way, by ratio, between one scale for all columns and one to fit each: no outlier spoils all of its row or its column.
  each((most, _, column) => raise(columns, column, Math.sqrt(most)));
  each((most, row, column) => raise(rows, row, most / (columns[column] || 1)));
  // What is left over: columns that are small in every row.
  columns.fill(0);
  each((most, row, column) => raise(columns, column, most / (rows[row] || 1)));
  return { rows, columns };
}
