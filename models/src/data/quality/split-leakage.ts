import type { Anomaly } from '@serin/protocol/api/datasets';
import type { TableSchema } from '@serin/protocol/table-schema';

import { anomalyOf, counted, inPercent } from './anomalies.ts';
import { sharedByChance } from './copies.ts';
import { falseAlarmRate, lnMoreThanPoisson } from './evidence.ts';
import { entriesOf, hasKey, type KeyTable } from './key-table.ts';
import type { Place } from './marks.ts';
import type { ProfileState } from './profile.ts';
import { summarise } from './summary.ts';

export interface Side {
  /** `train`, `test`, ... */
  readonly name: string;
  readonly state: ProfileState;
}

/** Records of the second that have a key of the first; scaled up where tables only kept a sample of keys. */
export function sharedKeys(one: KeyTable, other: KeyTable): { count: number; places: Place[] } {
  const level = Math.max(one.level, other.level);
  let count = 0;
  const places: Place[] = [];
  for (const { high, low, seen, file, row } of entriesOf(other)) {
    if ((level > 0 && high >>> (32 - level) !== 0) || !hasKey(one, high, low)) continue;
    count += seen;
    places.push([file, row]);
  }
  places.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return { count: count * 2 ** level, places };
}

/** Records, ids and groups that are on both sides of a split: a model is then judged by what it has learnt by heart. */
export function splitLeakage(learnt: Side, judged: Side, schema: TableSchema): Anomaly[] {
  const found: Anomaly[] = [];
  const sides = `${learnt.name} and ${judged.name}`;
  const report = (column: string | undefined, { count, places }: ReturnType<typeof sharedKeys>, what: string): void => {
    const words = `${counted(count, 'record')} of ${judged.name} (${inPercent(count / judged.state.rows)}) ${count === 1 ? 'has' : 'have'} ${what}; split by what belongs together, or drop the copies`;
    found.push(anomalyOf({ kind: 'split-leak', severity: 'error', column, places, count, words }, judged.state.files));
  };
  for (const { name, role } of schema.columns) {
    if (role !== 'id' && role !== 'group') continue;
    const [one, other] = [learnt, judged].map(({ state }) => state.columns.find((column) => column.name === name)?.keys);
    if (one == null || other == null) continue;
    const shared = sharedKeys(one, other);
    if (shared.count > 0) report(name, shared, `a ${name} that is on both sides of ${sides}`);
  }
  const rows = sharedKeys(learnt.state.rowKeys, judged.state.rowKeys);
  const expected = sharedByChance(summarise(learnt.state), judged.state.rows, schema);
  if (rows.count > 0 && lnMoreThanPoisson(rows.count, expected) < Math.log(falseAlarmRate))
    report(undefined, rows, `the same content as one of ${learnt.name}`);
  return found;
}
