import type { Anomaly, ColumnRole, ColumnSummary, ColumnType, DatasetVersion, DatasetVersionDetail, DatasetVersionStatus } from '@serin/protocol/api/datasets';
import type { Tone } from './rollout-view.ts';

export const versionStatusWords: Record<DatasetVersionStatus, string> = { READY: 'Ready', QUARANTINED: 'Quarantined', DROPPED: 'Dropped' };
export const versionStatusTone: Record<DatasetVersionStatus, Tone> = { READY: 'ok', QUARANTINED: 'warn', DROPPED: 'idle' };

export const roleWords: Record<ColumnRole, string> = {
  feature: 'Feature',
  label: 'Label',
  id: 'Id',
  group: 'Group',
  time: 'Time',
  ignored: 'Ignored',
};
export const typeWords: Record<ColumnType, string> = {
  integer: 'whole number',
  number: 'number',
  boolean: 'yes or no',
  category: 'category',
  text: 'text',
  time: 'time',
};

const severityRank: Record<Anomaly['severity'], number> = { error: 0, warning: 1 };

/** What must be looked at first: errors before warnings, then what concerns most records. */
export function sortAnomalies(anomalies: readonly Anomaly[]): Anomaly[] {
  return anomalies.toSorted(
    (one, other) =>
      severityRank[one.severity] - severityRank[other.severity] || other.count - one.count || (one.column ?? '').localeCompare(other.column ?? ''),
  );
}

/** A few row numbers, and how many there are beyond them. */
export function rowsWords({ rows, count }: Pick<Anomaly, 'rows' | 'count'>, most = 8): string {
  if (rows.length === 0) return '';
  const shown = rows.slice(0, most);
  const beyond = Math.max(0, count - shown.length);
  // Without grouping: a comma within a number would read as the next row.
  const list = shown.join(', ');
  return `${count === 1 ? 'row' : 'rows'} ${list}${beyond === 0 ? '' : ` and ${beyond.toLocaleString('en')} more`}`;
}

export interface Share {
  name: string;
  count: number;
  share: number;
}

const total = (counts: readonly { count: number }[]): number => counts.reduce((sum, { count }) => sum + count, 0);

function shares(counts: readonly { name: string; count: number }[], all = total(counts)): Share[] {
  return counts.map(({ name, count }) => ({ name, count, share: all === 0 ? 0 : count / all }));
}

export const splitShares = ({ splits }: Pick<DatasetVersion, 'splits'>): Share[] =>
  shares([
    { name: 'Training', count: splits.train },
    { name: 'Validation', count: splits.validation },
    { name: 'Test', count: splits.test },
  ]);

/** The most frequent labels first; what is beyond them together at the end. */
export function labelShares({ labels }: Pick<DatasetVersion, 'labels'>, most: number): Share[] {
  const sorted = labels.toSorted((one, other) => other.count - one.count).map(({ label, count }) => ({ name: label, count }));
  if (sorted.length <= most) return shares(sorted);
  const kept = sorted.slice(0, most - 1);
  const rest = sorted.slice(most - 1);
  return shares([...kept, { name: `${rest.length} others`, count: total(rest) }]);
}

export function topShares({ top, count, missing }: Pick<ColumnSummary, 'top' | 'count' | 'missing'>): Share[] {
  return shares(
    top.map(({ value, count: each }) => ({ name: value, count: each })),
    Math.max(1, count - missing),
  );
}

export const missingShare = ({ count, missing }: Pick<ColumnSummary, 'count' | 'missing'>): number => (count === 0 ? 0 : missing / count);

export const columnSorts = ['order', 'name', 'missing', 'distinct', 'association'] as const;
export type ColumnSort = (typeof columnSorts)[number];

export interface ColumnQuery {
  q?: string | undefined;
  role?: ColumnRole | undefined;
  sort?: ColumnSort | undefined;
}

const sortValue: Record<Exclude<ColumnSort, 'order' | 'name'>, (column: ColumnSummary) => number | null> = {
  missing: missingShare,
  distinct: ({ distinct }) => distinct,
  association: ({ association }) => association,
};

/** The order of the file unless another is asked for; figures from the largest down, unknown ones last. */
export function findColumns(columns: readonly ColumnSummary[], { q, role, sort = 'order' }: ColumnQuery): ColumnSummary[] {
  const needle = q?.trim().toLowerCase() ?? '';
  const found = columns.filter((column) => column.name.toLowerCase().includes(needle) && (role === undefined || column.role === role));
  if (sort === 'order') return found;
  if (sort === 'name') return found.toSorted((one, other) => one.name.localeCompare(other.name));
  const read = sortValue[sort];
  return found.toSorted((one, other) => (read(other) ?? -1) - (read(one) ?? -1));
}

/** Above this a column tells so much about the label that it may be the label itself. */
export const leakAssociation = 0.98;

export interface Change {
  what: string;
  before: string;
  after: string;
  /** Worth a second look. */
  marked: boolean;
}

export interface ChangeWords {
  count: (value: number) => string;
  share: (value: number) => string;
  number: (value: number) => string;
}

/** A share of records that moved by more than this is told, as is a middle that moved by more than half a deviation. */
const shareMoved = 0.02;
const middleMoved = 0.5;

type Parent = DatasetVersionDetail;

/** A batch that adds to a version and was not released holds its own records only. */
export const isBatchAlone = ({ status, parent }: Pick<DatasetVersion, 'status' | 'parent'>): boolean => status !== 'READY' && parent !== null;

/** What a version changed against another, the columns that came and went first. */
export function versionChanges(before: Parent, after: Parent, words: ChangeWords): Change[] {
  return [
    ...columnChanges(before, after),
    ...(isBatchAlone(after) ? [] : countChanges(before, after, words)),
    ...labelChanges(before, after, words),
    ...valueChanges(before, after, words),
  ];
}

function columnChanges(before: Parent, after: Parent): Change[] {
  const old = new Map(before.columns.map((column) => [column.name, column]));
  const now = new Map(after.columns.map((column) => [column.name, column]));
  const gone = before.columns
    .filter(({ name }) => !now.has(name))
    .map(({ name }) => ({ what: `column ${name}`, before: 'there', after: 'gone', marked: true }));
  const come = after.columns
    .filter(({ name }) => !old.has(name))
    .map(({ name, type }) => ({ what: `column ${name}`, before: 'not there', after: typeWords[type], marked: true }));
  const turned = after.columns.flatMap((column): Change[] => {
    const known = old.get(column.name);
    if (known === undefined) return [];
    return [
      ...(known.type === column.type ? [] : [{ what: `type of ${column.name}`, before: typeWords[known.type], after: typeWords[column.type], marked: true }]),
      ...(known.role === column.role ? [] : [{ what: `role of ${column.name}`, before: roleWords[known.role], after: roleWords[column.role], marked: true }]),
    ];
  });
  return [...gone, ...come, ...turned];
}

function countChanges(before: Parent, after: Parent, words: ChangeWords): Change[] {
  const pairs: [string, number, number][] = [
    ['rows', before.rows, after.rows],
    ['files', before.files, after.files],
    ['errors', before.errors, after.errors],
    ['warnings', before.warnings, after.warnings],
  ];
  return pairs
    .filter(([, one, other]) => one !== other)
    .map(([what, one, other]) => ({
      what,
      before: words.count(one),
      after: words.count(other),
      marked: what === 'errors' ? other > one : other < one / 2 && what === 'rows',
    }));
}

function labelChanges(before: Parent, after: Parent, words: ChangeWords): Change[] {
  const all = [total(before.labels), total(after.labels)] as const;
  const old = new Map(before.labels.map(({ label, count }) => [label, count / Math.max(1, all[0])]));
  const now = new Map(after.labels.map(({ label, count }) => [label, count / Math.max(1, all[1])]));
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((label) => {
    const one = old.get(label);
    const other = now.get(label);
    if (one !== undefined && other !== undefined && Math.abs(other - one) < shareMoved) return [];
    return [
      {
        what: `label ${label}`,
        before: one === undefined ? 'not there' : words.share(one),
        after: other === undefined ? 'gone' : words.share(other),
        marked: one === undefined || other === undefined,
      },
    ];
  });
}

function valueChanges(before: Parent, after: Parent, words: ChangeWords): Change[] {
  const old = new Map(before.columns.map((column) => [column.name, column]));
  return after.columns.flatMap((column): Change[] => {
    const known = old.get(column.name);
    if (known === undefined) return [];
    const changes: Change[] = [];
    const missing = [missingShare(known), missingShare(column)] as const;
    if (Math.abs(missing[1] - missing[0]) >= shareMoved) {
      changes.push({ what: `missing in ${column.name}`, before: words.share(missing[0]), after: words.share(missing[1]), marked: missing[1] > missing[0] });
    }
    if (known.numbers !== null && column.numbers !== null) {
      const moved = Math.abs(column.numbers.mean - known.numbers.mean);
      if (moved > middleMoved * known.numbers.deviation && moved > 0) {
        changes.push({ what: `mean of ${column.name}`, before: words.number(known.numbers.mean), after: words.number(column.numbers.mean), marked: true });
      }
    }
    return changes;
  });
}
