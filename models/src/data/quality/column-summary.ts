import type { ColumnSummary } from '@serin/protocol/api/datasets';
import type { TableSchema } from '@serin/protocol/table-schema';

import type { ColumnProfile, TableProfile } from './summary.ts';

const valueLengthMax = 256;

/** The profile as the API shows it, a column at a glance. */
export function columnSummaries(profile: TableProfile, schema: TableSchema): ColumnSummary[] {
  const declared = new Map(schema.columns.map((column) => [column.name, column]));
  return profile.columns.map((column) => summaryOf(column, declared.get(column.name)?.type ?? column.type, declared.get(column.name)?.role ?? 'ignored'));
}

function summaryOf(column: ColumnProfile, type: ColumnSummary['type'], role: ColumnSummary['role']): ColumnSummary {
  const { name, count, missing, distinct, numbers, top, lengths, association } = column;
  return {
    name,
    type,
    role,
    count,
    missing: missing.count,
    distinct,
    numbers: numbers === null ? null : pick(numbers),
    top: (type === 'integer' || type === 'number' ? [] : top).map(({ value, count: times }) => ({ value: value.slice(0, valueLengthMax), count: times })),
    lengths: type === 'text' ? lengths : null,
    association,
  };
}

const pick = ({ min, max, mean, deviation, quantiles, edges, counts }: NonNullable<ColumnProfile['numbers']>): NonNullable<ColumnSummary['numbers']> => ({
  min,
  max,
  mean,
  deviation,
  quantiles: [...quantiles],
  edges: [...edges],
  counts: [...counts],
});
