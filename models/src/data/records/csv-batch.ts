import type { Cell, RecordBatch } from './batch.ts';
import { withDecimalPoint } from './csv-dialect.ts';
import type { RowCells } from './csv-row.ts';

/** A batch that rows are put into. */
export interface OpenBatch {
  readonly columns: Cell[][];
  readonly numbers: Int32Array;
  readonly size: number;
  rows: number;
  bytes: number;
}

export const openBatch = (width: number, size: number): OpenBatch => ({
  columns: Array.from({ length: width }, () => Array.from<Cell>({ length: size }).fill(null)),
  numbers: new Int32Array(size),
  size,
  rows: 0,
  bytes: 0,
});

export function putRow(batch: OpenBatch, { cells }: RowCells, number: number): void {
  const { columns, rows } = batch;
  for (let at = 0; at < columns.length; at += 1) (columns[at] as Cell[])[rows] = cells[at] as Cell;
  batch.numbers[rows] = number;
  batch.rows = rows + 1;
}

export function closeBatch({ columns, numbers, size, rows }: OpenBatch, file: string, names: readonly string[], decimalComma: boolean): RecordBatch {
  const full = rows === size ? columns : columns.map((column) => column.slice(0, rows));
  if (decimalComma) full.forEach(pointDecimals);
  return { file, names, columns: full, rows, numbers: numbers.subarray(0, rows) };
}

function pointDecimals(column: Cell[]): void {
  for (let at = 0; at < column.length; at += 1) {
    const cell = column[at];
    if (typeof cell === 'string') column[at] = withDecimalPoint(cell);
  }
}
