import type { Anomaly } from '@serin/protocol/api/datasets';
import type { SchemaColumn, TableSchema } from '@serin/protocol/table-schema';

import { anomalyOf, counted, inPercent, some, type AnomalyKind, type Finding } from './anomalies.ts';
import type { Telling } from './association.ts';
import { checkColumn, checkConstant } from './check-columns.ts';
import { copiesByChance } from './copies.ts';
import { checkBalance, checkDrift } from './check-drift.ts';
import { correlationAtLeast, exceeds, falseAlarmRate, lnFewer, lnMoreThanPoisson, shareAtMost } from './evidence.ts';
import { columnOfRole } from './schema.ts';
import type { ColumnProfile, TableProfile } from './summary.ts';

export interface ValidateOptions {
  /** To find times that lie ahead; these are not looked for when left out. */
  readonly now?: number | undefined;
  /** Fewer records than this share of the reference's are too few; 0 for records that are a part of something. */
  readonly shrinkMin?: number | undefined;
}

/** What every check sees, and where it says what it found. */
export interface Check {
  readonly schema: TableSchema;
  readonly reference: TableProfile | undefined;
  readonly now: number | undefined;
  /** Rate of false alarms of one test. */
  readonly alpha: number;
  /** Columns whose values are explained by what was found: what follows from it is not said again. */
  readonly explained: Set<string>;
  report(kind: AnomalyKind, severity: Anomaly['severity'], finding: Omit<Finding, 'kind' | 'severity'>): void;
}

const testsPerColumn = 5;
const shrinkDefault = 0.5;
const shrinkError = 0.1;

/**
 * Everything that is wrong with records, as their profile shows it: held against the schema, and against the profile of a
 * reference where there is one. Pure; errors first, in the order of the columns.
 */
export function validate(
  profile: TableProfile,
  schema: TableSchema,
  reference?: TableProfile,
  { now, shrinkMin = shrinkDefault }: ValidateOptions = {},
): Anomaly[] {
  const found: Anomaly[] = [];
  const check: Check = {
    schema,
    reference,
    now,
    alpha: falseAlarmRate / (testsPerColumn * schema.columns.length + testsPerColumn),
    explained: new Set(),
    report: (kind, severity, finding) => void found.push(anomalyOf({ ...finding, kind, severity }, profile.files)),
  };
  if (profile.rows === 0) {
    check.report('empty', 'error', { count: 0, words: 'there is no record; look at the source and its query' });
    return found;
  }
  checkSize(check, profile, shrinkMin);
  checkFiles(check, profile);
  checkCopies(check, profile);
  const columns = new Map(profile.columns.map((column) => [column.name, column]));
  for (const wanted of schema.columns) {
    const column = columns.get(wanted.name);
    if (column === undefined) checkAbsent(check, wanted);
    else {
      checkConstant(check, column, wanted);
      if (!check.explained.has(wanted.name)) checkDrift(check, column, wanted);
      checkColumn(check, column, wanted);
      checkLeak(check, column, wanted);
    }
  }
  const label = columnOfRole(schema, 'label');
  if (label !== undefined) checkBalance(check, profile, label);
  const extra = profile.columns.filter(({ name }) => !schema.columns.some((column) => column.name === name)).map(({ name }) => name);
  for (const name of extra) {
    check.report('column-extra', 'warning', {
      column: name,
      count: 1,
      words: `column ${name} is not in the schema and is not used; add it, or leave it out of the file`,
    });
  }
  return [...found.filter(({ severity }) => severity === 'error'), ...found.filter(({ severity }) => severity === 'warning')];
}

function checkSize(check: Check, { rows }: TableProfile, shrinkMin: number): void {
  const before = check.reference?.rows ?? 0;
  if (before === 0 || rows >= before * shrinkMin) return;
  const words = `there ${rows === 1 ? 'is' : 'are'} ${counted(rows, 'record')}, ${inPercent(rows / before)} of the ${counted(before, 'record')} before; below ${inPercent(shrinkMin)} something is amiss, so look at the source`;
  check.report('shrunk', rows < before * shrinkError ? 'error' : 'warning', { count: rows, words });
}

/** Columns that some of the files lack. */
function checkFiles(check: Check, { files, columns }: TableProfile): void {
  if (files.length < 2) return;
  for (const { name } of columns) {
    const lacking = files.filter((file) => !file.columns.includes(name));
    const [first] = lacking;
    if (first === undefined || lacking.length === files.length) continue;
    const others = files.length - lacking.length;
    const words = `${counted(lacking.length, 'file')} lack${lacking.length === 1 ? 's' : ''} column ${name} that ${others} ${others === 1 ? 'has' : 'have'}: ${some(
      lacking.map((file) => file.name),
      3,
    )}; make the files alike`;
    check.report('mixed-schema', 'error', { column: name, file: first.name, count: lacking.length, words });
  }
}

function checkAbsent(check: Check, { name, role, required }: SchemaColumn): void {
  if (role === 'ignored') return;
  const severity = required || role !== 'time' ? 'error' : 'warning';
  check.report('column-missing', severity, {
    column: name,
    count: 1,
    words: `column ${name} (${role}) is not there; look for it under another name, or take it out of the schema`,
  });
}

const copiesError = 0.1;

function checkCopies(check: Check, profile: TableProfile): void {
  const { count, places } = profile.copies;
  if (count === 0) return;
  const expected = copiesByChance(profile, check.schema);
  if (lnMoreThanPoisson(count, expected) >= Math.log(check.alpha)) return;
  const before = check.reference;
  if (before !== undefined && before.copies.count > 0) {
    const usual = shareAtMost(Math.min(before.copies.count, before.rows), before.rows, check.alpha) * Math.max(1, profile.rows / before.rows);
    if (!exceeds(Math.min(count, profile.rows), profile.rows, Math.min(1, usual), check.alpha)) return;
  }
  const share = count / profile.rows;
  check.report('duplicates', share >= copiesError ? 'error' : 'warning', {
    places,
    count,
    words: `${counted(count, 'record')} (${inPercent(share)}) ${count === 1 ? 'equals' : 'equal'} an earlier one in every column, ${Math.round(expected)} would by chance; drop the copies, or they weigh double and stand on both sides of a split`,
  });
}

/** An honest column may tell so many of each class wrong or more. */
const honestWrong = 0.05;
const leakWrong = 0.01;
const honestCorrelation = 0.99;
const leakCorrelation = 0.9995;
const lowestClasses = 0.05;

/**
 * A column that tells the label almost always by itself is more often made from it than a good measure. It is reported when
 * at most 1 % of the sample is told wrong and a column that errs in 5 % of every class would hardly ever do as well: that share is what is promised to honest columns.
 */
function checkLeak(check: Check, { telling }: ColumnProfile, { name, role }: SchemaColumn): void {
  if (telling === null || role !== 'feature' || !isLeak(telling, check.alpha)) return;
  const [rows, words] =
    telling.kind === 'number'
      ? [
          telling.rows,
          `${name} alone gives the label: their correlation is ${telling.correlation.toFixed(4)} over ${counted(telling.rows, 'record')}, at most ${honestCorrelation} is taken for honest`,
        ]
      : [
          rowsOf(telling),
          `${name} alone tells the label of ${inPercent(1 - wrongOf(telling))} of ${counted(rowsOf(telling), 'record')} it was not learnt from, at most ${inPercent(1 - honestWrong)} is taken for honest`,
        ];
  check.report('label-leak', 'error', { column: name, count: rows, words: `${words}; ignore the column if it is known only once the label is` });
}

type ClassTelling = Extract<Telling, { kind: 'classes' }>;
const rowsOf = ({ classes }: ClassTelling): number => classes.reduce((sum, { rows }) => sum + rows, 0);
const wrongOf = ({ classes }: ClassTelling): number => classes.reduce((sum, { rows, wrong }) => sum + wrong / rows, 0) / classes.length;

function isLeak(telling: Telling, alpha: number): boolean {
  const lnAlpha = Math.log(alpha);
  if (telling.kind === 'number') {
    // So many deviations of a normal variable are as rare as alpha.
    const deviations = Math.sqrt(-2 * lnAlpha);
    return telling.correlation >= leakCorrelation && correlationAtLeast(telling.correlation, telling.rows, deviations) > honestCorrelation;
  }
  const { classes } = telling;
  if (classes.length < 2 || wrongOf(telling) > leakWrong) return false;
  const total = rowsOf(telling);
  let covered = 0;
  return classes.every(({ rows, wrong }, at) => {
    const isNeeded = at < 2 || covered < (1 - lowestClasses) * total;
    covered += rows;
    return !isNeeded || lnFewer(wrong, rows, honestWrong) < lnAlpha;
  });
}
