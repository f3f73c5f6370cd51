import type { FeatureColumn, TablePreprocessing } from '@serin/protocol/bundle/preprocessing';
import { SerinError } from '@serin/protocol/errors';

/** A record as it comes to a device: fields by their names. */
export type DataRecord = Readonly<Record<string, unknown>>;

/** How a level is written in a model's list, whatever it was in the file: `true`, `3`, `blue`. */
const levelOf = (cell: string | number | boolean): string => (typeof cell === 'string' ? cell.trim() : String(cell));

const isCell = (cell: unknown): cell is string | number | boolean => typeof cell === 'string' || typeof cell === 'number' || typeof cell === 'boolean';

/** One record as `features`: a missing or unseen value is NaN, a text where a number belongs is refused by its column. */
export function prepareRow({ columns }: Pick<TablePreprocessing, 'columns'>, record: DataRecord): Float32Array {
  const values = new Float32Array(columns.length);
  const faults: string[] = [];
  columns.forEach((column, place) => {
    // A name such as `constructor` must not find what every object has.
    const cell = Object.hasOwn(record, column.name) ? record[column.name] : undefined;
    const value = valueOf(column, cell);
    if (value === undefined) faults.push(`${column.name} is ${describe(cell)}`);
    values[place] = value ?? Number.NaN;
  });
  if (faults.length > 0) {
    throw new SerinError('BAD_REQUEST', {
      detail: `${faults.slice(0, 5).join('; ')}${faults.length > 5 ? `; and ${faults.length - 5} more` : ''}`,
      hint: 'Numbers are numbers or texts that hold one; leave a value out, or give null, where it is not known',
    });
  }
  return values;
}

/** Undefined for what cannot be a value of the column. */
function valueOf(column: FeatureColumn, cell: unknown): number | undefined {
  if (cell === undefined || cell === null || (typeof cell === 'string' && cell.trim() === '')) return Number.NaN;
  if (!isCell(cell)) return undefined;
  if (column.kind === 'category') {
    const index = column.levels.indexOf(levelOf(cell));
    return index === -1 ? Number.NaN : index;
  }
  if (typeof cell === 'boolean') return cell ? 1 : 0;
  const number = Number(cell);
  if (Number.isFinite(number)) return number;
  return typeof cell === 'number' ? Number.NaN : undefined;
}

const describe = (cell: unknown): string => (typeof cell === 'string' ? `"${cell.slice(0, 40)}"` : Array.isArray(cell) ? 'a list' : `of type ${typeof cell}`);
