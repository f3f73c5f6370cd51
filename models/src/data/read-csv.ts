import path from 'node:path';

import {
  checkWhole,
  defaultShares,
  isSameObject,
  labelIndex,
  labelPlaces,
  limits,
  sortLabels,
  splitOf,
  type Example,
  type Marked,
  type Reading,
  type ReadOptions,
} from './dataset.ts';
import { openFolder, pathBelow } from './folder.ts';
import { addProblem, noProblems, type Problem, type Problems } from './problems.ts';
import type { RecordBatch } from './records/batch.ts';
import type { CsvDelimiter } from './records/csv-dialect.ts';
import { readCsv as readRecords, type CsvDialect } from './records/csv.ts';
import type { TextEncoding } from './records/encoding.ts';

export interface CsvLabelOptions extends ReadOptions {
  /** By the byte order mark, else UTF-8. */
  readonly encoding?: TextEncoding | undefined;
}

const columnNames = {
  file: ['file', 'filename', 'file_name', 'image', 'path'],
  label: ['label', 'class', 'category'],
  x: ['x'],
  y: ['y'],
  w: ['w', 'width'],
  h: ['h', 'height'],
  /** Degrees, from x towards y: clockwise as seen. */
  angle: ['angle', 'angle_deg'],
} as const;
type Column = keyof typeof columnNames;
type Columns = Partial<Record<Column, number>>;

interface Row {
  /** As a spreadsheet counts: the header is row 1, and empty rows count. */
  readonly number: number;
  readonly fields: readonly string[];
}

/** Everything gathered about one picture while its rows come in. */
interface Entry {
  readonly row: number;
  readonly label: number;
  readonly objects: Marked[];
}

interface Reader {
  readonly file: string;
  readonly root: string;
  readonly delimiter: CsvDelimiter;
  readonly columns: Columns;
  readonly places: Map<string, number>;
  /** Labels were given; otherwise each new one gets a place. */
  readonly closed: boolean;
  readonly entries: Map<string, Entry>;
  readonly problems: Problems;
}

/**
 * A CSV file beside the pictures: `file,label`, or `file,label,x,y,w,h,angle` with a row an object (x and y of its
 * upper left corner; without w and h the point itself). Paths in it are below the folder.
 */
export async function readCsv(folder: string, csv: string, { labels, shares = defaultShares, encoding }: CsvLabelOptions = {}): Promise<Reading> {
  const root = await openFolder(folder);
  const problems = noProblems();
  const file = path.basename(csv);
  const empty = { kind: 'classes' as const, folder: root, labels: labels ?? [], examples: [], notes: [] };
  const fail = (kind: Problem['kind'], detail: string): Reading => {
    addProblem(problems, { kind, file, detail });
    return { dataset: empty, problems };
  };
  let delimiter: CsvDelimiter = ',';
  let reader: Reader | undefined;
  const onDialect = (dialect: CsvDialect): void => void ({ delimiter } = dialect);
  // The header is read as a row: names of columns that nobody asks for may be missing or given twice.
  for await (const batch of readRecords(path.resolve(root, csv), { problems, encoding, header: false, decimalComma: false, onDialect })) {
    for (let place = 0; place < batch.rows; place += 1) {
      const row = rowOf(batch, place);
      if (reader === undefined) {
        const columns = findColumns(row.fields);
        if (typeof columns === 'string') return fail('format', columns);
        reader = { file, root, delimiter, columns, places: new Map(labelPlaces(labels ?? [])), closed: labels !== undefined, entries: new Map(), problems };
        continue;
      }
      readRow(reader, row);
      if (reader.entries.size > limits.examples) return fail('too-large', `it has more than ${limits.examples} pictures`);
      if (reader.places.size > limits.labels) return fail('too-large', `it has more than ${limits.labels} labels`);
    }
  }
  // The problems say why there is no header.
  if (reader === undefined) return { dataset: empty, problems };
  const kind = reader.columns.x === undefined ? ('classes' as const) : ('objects' as const);
  const dataset = { ...empty, kind, ...finish(reader, labels, shares) };
  checkWhole(dataset, file, problems);
  return { dataset, problems };
}

const rowOf = ({ columns, numbers }: RecordBatch, place: number): Row => ({
  number: numbers[place] ?? 0,
  fields: columns.map((column) => String(column[place] ?? '').trim()),
});

function findColumns(header: readonly string[]): Columns | string {
  const names = header.map((name) => name.toLowerCase());
  const columns: Columns = {};
  for (const [column, spellings] of Object.entries(columnNames) as [Column, readonly string[]][]) {
    const found = names.flatMap((name, place) => (spellings.includes(name) ? [place] : []));
    if (found.length > 1) return `its header names ${spellings[0]} ${found.length} times`;
    if (found[0] !== undefined) columns[column] = found[0];
  }
  const missing = [
    ...(columns.file === undefined ? ['file'] : []),
    ...(columns.label === undefined ? ['label'] : []),
    ...((columns.x === undefined) !== (columns.y === undefined) ? [columns.x === undefined ? 'x' : 'y'] : []),
    ...((columns.w === undefined) !== (columns.h === undefined) ? [columns.w === undefined ? 'w' : 'h'] : []),
    ...(columns.x === undefined && (columns.w ?? columns.h ?? columns.angle) !== undefined ? ['x', 'y'] : []),
  ];
  if (missing.length === 0) return columns;
  return `its first row must name the columns file,label or file,label,x,y,w,h,angle; ${[...new Set(missing)].join(', ')} is missing among ${header.slice(0, 12).join(', ')}`;
}

function readRow(reader: Reader, row: Row): void {
  const { columns, problems, entries } = reader;
  if (row.fields.every((field) => field === '')) return;
  const cell = (column: Column): string => {
    const place = columns[column];
    return place === undefined ? '' : (row.fields[place] ?? '');
  };
  const written = cell('file');
  const report = (kind: Problem['kind'], detail: string): void =>
    addProblem(problems, { kind, file: written === '' ? reader.file : written, at: `row ${row.number}`, detail });

  if (written === '') return report('format', 'it names no file');
  const below = pathBelow(reader.root, written);
  if (below === undefined) return report('path-escapes', 'the path leads out of the folder');

  const spatial = columns.x !== undefined;
  const coordinates = ['x', 'y', 'w', 'h', 'angle'] as const;
  const bare = spatial && cell('label') === '' && coordinates.every((column) => cell(column) === '');
  const label = bare ? -1 : findLabel(reader, cell('label'), report);
  const object = spatial && !bare ? readObject(cell, reader.delimiter, label ?? 0, report) : undefined;
  if (label === undefined || (spatial && !bare && object === undefined)) return;

  const entry = entries.get(below);
  if (entry === undefined) {
    entries.set(below, { row: row.number, label: spatial ? -1 : label, objects: object === undefined ? [] : [object] });
  } else if (!spatial) {
    const same = entry.label === label;
    report(same ? 'duplicate' : 'label-conflict', same ? `it is in row ${entry.row} already` : `it has another label in row ${entry.row}`);
  } else if (object !== undefined) {
    if (entry.objects.some((other) => isSameObject(other, object))) report('duplicate', 'the picture has this very object already');
    else if (entry.objects.length >= limits.objectsPerPicture) report('too-large', `the picture has more than ${limits.objectsPerPicture} objects`);
    else entry.objects.push(object);
  }
}

function findLabel({ places, closed }: Reader, text: string, report: (kind: Problem['kind'], detail: string) => void): number | undefined {
  if (text === '') {
    report('label-missing', 'it has no label');
    return undefined;
  }
  if (!closed && !places.has(text)) places.set(text, places.size);
  const found = labelIndex(places, text);
  if (typeof found === 'number') return found;
  report(found.kind, found.detail);
  return undefined;
}

function readObject(
  cell: (column: Column) => string,
  delimiter: CsvDelimiter,
  label: number,
  report: (kind: Problem['kind'], detail: string) => void,
): Marked | undefined {
  const faults: string[] = [];
  const number = (column: Column, otherwise: number | undefined): number | undefined => {
    const text = cell(column);
    if (text === '' && otherwise !== undefined) return otherwise;
    // Where the comma does not part fields it may part decimals.
    const value = text === '' ? Number.NaN : Number(delimiter === ',' ? text : text.replace(',', '.'));
    if (Number.isFinite(value)) return value;
    faults.push(`${column} is ${text === '' ? 'missing' : `"${text.slice(0, 40)}"`}`);
    return undefined;
  };
  const [x, y, w, h] = [number('x', undefined), number('y', undefined), number('w', 0), number('h', 0)];
  const degrees = cell('angle') === '' ? undefined : number('angle', undefined);
  if (w !== undefined && h !== undefined && (w < 0 || h < 0 || (w === 0) !== (h === 0))) faults.push(`a box of ${w} by ${h}`);
  if (degrees !== undefined && Math.abs(degrees) > 360) faults.push(`angle is ${degrees}; it must be from -360 to 360 degrees`);
  if (faults.length > 0 || x === undefined || y === undefined || w === undefined || h === undefined) {
    report('box-invalid', faults.join(', '));
    return undefined;
  }
  return {
    label,
    x: x + w / 2,
    y: y + h / 2,
    ...(w > 0 ? { width: w, height: h } : {}),
    ...(degrees === undefined ? {} : { angle: (degrees * Math.PI) / 180 }),
  };
}

/** Labels in their final order, and examples with their places in it. */
function finish(
  { places, entries }: Reader,
  labels: readonly string[] | undefined,
  shares: Parameters<typeof splitOf>[1],
): { labels: readonly string[]; examples: Example[] } {
  const ordered = labels ?? sortLabels(places.keys());
  const final = labelPlaces(ordered);
  const moves = Int32Array.from(places.keys(), (label) => final.get(label) ?? -1);
  const move = (label: number): number => (label < 0 ? -1 : (moves[label] ?? -1));
  const examples = Array.from(entries, ([below, { row, label, objects }]): Example => {
    const moved = objects.map((object) => ({ ...object, label: move(object.label) }));
    return { path: below, split: splitOf(below, shares), label: move(label), objects: moved, from: `row ${row}` };
  });
  return { labels: ordered, examples };
}
