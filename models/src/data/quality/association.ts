import { isMissing, numberOf, timeOf } from './cells.ts';
import type { Cell } from '../records/batch.ts';

/** How well one column alone tells the label, measured on rows of the sample it was not learnt from. */
export interface ClassTelling {
  readonly kind: 'classes';
  /** Rows of each class and how many of them were told wrong, the most frequent class first. */
  readonly classes: readonly { readonly label: string; readonly rows: number; readonly wrong: number }[];
}

export interface NumberTelling {
  readonly kind: 'number';
  /** The larger of Pearson's and Spearman's correlation, without its sign. */
  readonly correlation: number;
  readonly rows: number;
}

export type Telling = ClassTelling | NumberTelling;

export const classesMax = 100;
/** Of the records nearest by value, whose classes tell that of one between them. */
const neighbours = 15;
const recordsPerValue = 20;

const nameOf = (cell: Cell): string => (isMissing(cell) ? '' : String(cell).trim());

/** Half of the rows say which class goes with which values, the other half is told by it; then the other way round. */
export function tellClasses(cells: readonly Cell[], labels: readonly Cell[], asNumbers: boolean): ClassTelling {
  const places = new Map<string, number>();
  const rows: Labelled[] = [];
  labels.forEach((label, row) => {
    if (isMissing(label)) return;
    const name = nameOf(label);
    const code = places.get(name) ?? places.size;
    places.set(name, code);
    rows.push({ cell: cells[row] ?? null, code });
  });
  const [all, wrong] = [new Float64Array(places.size), new Float64Array(places.size)];
  for (const { code } of rows) all[code] = (all[code] as number) + 1;
  const halves = [rows.filter((_, at) => at % 2 === 0), rows.filter((_, at) => at % 2 === 1)] as const;
  for (const [learn, ask] of [halves, [halves[1], halves[0]] as const]) {
    const tell = learnToTell(learn, places.size, asNumbers);
    for (const { cell, code } of ask) if (tell(cell) !== code) wrong[code] = (wrong[code] as number) + 1;
  }
  const classes = Array.from(places, ([label, code]) => ({ label, rows: all[code] as number, wrong: wrong[code] as number }));
  return { kind: 'classes', classes: classes.sort((one, other) => other.rows - one.rows || (one.label < other.label ? -1 : 1)) };
}

interface Labelled {
  readonly cell: Cell;
  readonly code: number;
}

type Teller = (cell: Cell) => number;

const valueOf = (cell: Cell): number => {
  if (typeof cell === 'number') return cell;
  const text = String(cell);
  const value = numberOf(text);
  return Number.isNaN(value) ? timeOf(text) : value;
};

/** Classes weigh alike, so that a rare one is not drowned by a frequent one. */
function learnToTell(rows: readonly Labelled[], classes: number, asNumbers: boolean): Teller {
  const weights = new Float64Array(classes);
  for (const { code } of rows) weights[code] = (weights[code] as number) + 1;
  for (let code = 0; code < classes; code += 1) weights[code] = 1 / Math.max(1, weights[code] as number);
  const byValue = tellByValue(rows, weights);
  const distinct = new Set(rows.map(({ cell }) => nameOf(cell))).size;
  if (!asNumbers || distinct * recordsPerValue <= rows.length) return byValue;
  const byNeighbours = tellByNeighbours(rows, weights);
  return (cell) => (isMissing(cell) ? byValue(cell) : byNeighbours(valueOf(cell)));
}

function tellByValue(rows: readonly Labelled[], weights: Float64Array): Teller {
  const table = new Map<string, Float64Array>();
  for (const { cell, code } of rows) {
    const key = nameOf(cell);
    const sums = table.get(key) ?? new Float64Array(weights.length);
    sums[code] = (sums[code] as number) + (weights[code] as number);
    table.set(key, sums);
  }
  const best = new Map(Array.from(table, ([key, sums]) => [key, sums.indexOf(Math.max(...sums))]));
  return (cell) => best.get(nameOf(cell)) ?? -1;
}

function tellByNeighbours(rows: readonly Labelled[], weights: Float64Array): (value: number) => number {
  const known = rows
    .filter(({ cell }) => !isMissing(cell))
    .map(({ cell, code }) => ({ value: valueOf(cell), code }))
    .filter(({ value }) => !Number.isNaN(value))
    .sort((one, other) => one.value - other.value);
  const values = Float64Array.from(known, ({ value }) => value);
  const codes = Int32Array.from(known, ({ code }) => code);
  const sums = new Float64Array(weights.length);
  return (value) => {
    let [low, high] = [0, values.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((values[middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    sums.fill(0);
    let [left, right] = [low - 1, low];
    for (let taken = 0; taken < neighbours && (left >= 0 || right < values.length); taken += 1) {
      const isLeft = right >= values.length || (left >= 0 && value - (values[left] as number) <= (values[right] as number) - value);
      const code = codes[isLeft ? left-- : right++] as number;
      sums[code] = (sums[code] as number) + (weights[code] as number);
    }
    let best = 0;
    for (let code = 1; code < sums.length; code += 1) if ((sums[code] as number) > (sums[best] as number)) best = code;
    return best;
  };
}

export function tellNumber(cells: readonly Cell[], labels: readonly Cell[]): NumberTelling {
  const pairs: [number, number][] = [];
  labels.forEach((label, row) => {
    const cell = cells[row] ?? null;
    if (isMissing(label) || isMissing(cell)) return;
    const pair: [number, number] = [valueOf(cell), valueOf(label)];
    if (pair.every(Number.isFinite)) pairs.push(pair);
  });
  const [one, other] = [pairs.map(([value]) => value), pairs.map(([, value]) => value)];
  const correlations = [correlationOf(one, other), correlationOf(ranksOf(one), ranksOf(other))].map(Math.abs);
  return { kind: 'number', correlation: Math.max(...correlations), rows: pairs.length };
}

/** 0 where one of them does not vary. */
function correlationOf(one: readonly number[], other: readonly number[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const [a, b] = [mean(one), mean(other)];
  let [both, first, second] = [0, 0, 0];
  one.forEach((value, at) => {
    const [x, y] = [value - a, (other[at] as number) - b];
    both += x * y;
    first += x * x;
    second += y * y;
  });
  return first === 0 || second === 0 ? 0 : both / Math.sqrt(first * second);
}

/** Ties share the mean of their ranks. */
function ranksOf(values: readonly number[]): number[] {
  const order = values.map((_, at) => at).sort((one, other) => (values[one] as number) - (values[other] as number));
  const ranks = Array.from(values, () => 0);
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && values[order[to] as number] === values[order[from] as number]) to += 1;
    for (let at = from; at < to; at += 1) ranks[order[at] as number] = (from + to - 1) / 2;
    from = to;
  }
  return ranks;
}

/** 0 for a column that tells nothing, 1 for one that tells all: what it gains over guessing, as a share of what there is to gain. */
export function associationOf(telling: Telling): number {
  if (telling.kind === 'number') return telling.correlation ** 2;
  const seen = telling.classes.filter(({ rows }) => rows > 0);
  if (seen.length < 2) return 0;
  const right = seen.reduce((sum, { rows, wrong }) => sum + 1 - wrong / rows, 0) / seen.length;
  return Math.max(0, (right - 1 / seen.length) / (1 - 1 / seen.length));
}
