import type { Cell, RecordBatch } from '../batch.ts';

/** All records of a stream as objects, with their numbers. */
export async function collectRecords(batches: AsyncIterable<RecordBatch>): Promise<{ records: Record<string, Cell>[]; numbers: number[] }> {
  const records: Record<string, Cell>[] = [];
  const numbers: number[] = [];
  for await (const { names, columns, rows, numbers: places } of batches) {
    for (let row = 0; row < rows; row += 1) records.push(Object.fromEntries(names.map((name, column) => [name, columns[column]?.[row] as Cell])));
    numbers.push(...places);
  }
  return { records, numbers };
}
