import type { TableSchema } from '@serin/protocol/table-schema';

import type { ColumnProfile, TableProfile } from './summary.ts';

/** The chance that two records have the same value. */
function agreement({ values, distinct, count, missing }: ColumnProfile): number {
  const gaps = missing.count / count;
  if (values === null) return Math.min(1, gaps ** 2 + (1 - gaps) ** 2 / Math.max(1, distinct));
  return Math.min(1, gaps ** 2 + values.reduce((sum, value) => sum + (value.count / count) ** 2, 0));
}

/** The chance that two records are equal in every column that counts; its root, for columns that go together. */
function equality({ columns }: TableProfile, schema: TableSchema): number {
  const apart = new Set(schema.columns.flatMap(({ name, role, unique }) => (role === 'ignored' || unique ? [name] : [])));
  let lnChance = 0;
  for (const column of columns) if (!apart.has(column.name)) lnChance += Math.log(agreement(column));
  return Math.exp(lnChance / 2);
}

/** Records that equal an earlier one by chance. */
export const copiesByChance = (profile: TableProfile, schema: TableSchema): number => ((profile.rows * (profile.rows - 1)) / 2) * equality(profile, schema);

/** Records, of so many others, that equal one of the profile by chance. */
export const sharedByChance = (profile: TableProfile, others: number, schema: TableSchema): number => profile.rows * others * equality(profile, schema);
