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
const binsMax = 256;
const rowsPerBin = 20;

const nameOf = (cell: Cell): string => (isMissing(cell) ? '' : String(cell).trim());

/** Half of the rows say which class goes with which values, the other half is told by it; then the other way round. */
export function tellClasses(cells: readonly Cell[], labels: readonly Cell[], asNumbers: boolean): ClassTelling {
  const rows: { cell: Cell; label: string }[] = [];
  labels.forEach((label, row) => {
    if (!isMissing(label)) rows.push({ cell: cells[row] ?? null, label: nameOf(label) });
  });
  const counts = new Map<string, { rows: number; wrong: number }>();
  for (const { label } of rows) {
    const count = counts.get(label);
    if (count === undefined) counts.set(label, { rows: 1, wrong: 0 });
    else count.rows += 1;
  }
  const halves = [rows.filter((_, at) => at % 2 === 0), rows.filter((_, at) => at % 2 === 1)] as const;
  for (const [learn, ask] of [halves, [halves[1], halves[0]] as const]) {
    const tell = learnToTell(learn, asNumbers);
    for (const { cell, label } of ask) if (tell(cell) !== label) (counts.get(label) as { wrong: number }).wrong += 1;
  }
  const classes = Array.from(counts, ([label, { rows: all, wrong }]) => ({ label, rows: all, wrong }));
  return { kind: 'classes', classes: classes.sort((one, other) => other.rows - one.rows || (one.label < other.label ? -1 : 1)) };
}

const valueOf = (cell: Cell): number => {
  if (typeof cell === 'number') return cell;
  const text = String(cell);
  const value = numberOf(text);
  return Number.isNaN(value) ? timeOf(text) : value;
};

function learnToTell(rows: readonly { cell: Cell; label: string }[], asNumbers: boolean): (cell: Cell) => string | undefined {
  const edges = asNumbers ? edgesOf(rows.map(({ cell }) => cell)) : [];
  const keyOf = (cell: Cell): string => (isMissing(cell) ? '' : asNumbers ? `${binOf(edges, valueOf(cell))}` : `=${nameOf(cell)}`);
  const totals = new Map<string, number>();
  const table = new Map<string, Map<string, number>>();
  for (const { cell, label } of rows) {
    totals.set(label, (totals.get(label) ?? 0) + 1);
    const key = keyOf(cell);
    const counts = table.get(key) ?? new Map<string, number>();
    counts.set(label, (counts.get(label) ?? 0) + 1);
    table.set(key, counts);
  }
  // By the share of its class, so that a rare class is not drowned by a frequent one.
  const best = new Map(Array.from(table, ([key, counts]) => [key, [...counts].reduce((a, b) => (share(b) > share(a) ? b : a))[0]]));
  function share([label, count]: [string, number]): number {
    return count / (totals.get(label) ?? 1);
  }
  return (cell) => best.get(keyOf(cell));
}

function edgesOf(cells: readonly Cell[]): number[] {
  const values = Float64Array.from(
    cells.filter((cell) => !isMissing(cell)),
    valueOf,
  )
    .filter((value) => !Number.isNaN(value))
    .sort();
  const bins = Math.max(1, Math.min(binsMax, Math.floor(values.length / rowsPerBin)));
  const edges = new Set<number>();
  for (let bin = 1; bin < bins; bin += 1) edges.add(values[Math.floor((bin * values.length) / bins)] as number);
  return [...edges];
}

function binOf(edges: readonly number[], value: number): number {
  let [low, high] = [0, edges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((edges[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
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
