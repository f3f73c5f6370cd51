import type { ProblemKind } from '../problems.ts';
import type { RowCells } from './csv-row.ts';
import type { ReadCsvOptions } from './csv.ts';
import { recordLimits } from './input.ts';

/** Names for all columns, whatever the header lacks: rows can then be checked too, and all that is wrong shows at once. */
export function headerNames(
  { cells, count }: RowCells,
  named: boolean,
  { header, names: given, limits }: ReadCsvOptions,
  report: (kind: ProblemKind, detail: string) => void,
): string[] {
  const nameLengthMax = limits?.nameLengthMax ?? recordLimits.nameLengthMax;
  if (!named && given !== undefined && given.length !== count) report('header', `it has ${count} columns, ${given.length} names are given`);
  const written = Array.from({ length: count }, (_, at) => String((named ? cells[at] : given?.[at]) ?? '').trim());
  if (named && header === undefined && count > 1 && written.every((name) => name !== '' && Number.isFinite(Number(name)))) {
    report('header', 'its first row is all numbers; set header: false if it is data');
  }
  const places = new Map<string, number>();
  return written.map((name, at) => {
    const place = at + 1;
    if (name === '' && named) report('header', `column ${place} has no name`);
    if (name.length > nameLengthMax) report('header', `the name of column ${place} has ${name.length} letters; at most ${nameLengthMax} are read`);
    const short = name === '' ? `column_${place}` : name.slice(0, nameLengthMax);
    const before = places.get(short);
    if (before === undefined) {
      places.set(short, place);
      return short;
    }
    report('header', `columns ${before} and ${place} are both named "${short}"`);
    return `${short}_${place}`;
  });
}
