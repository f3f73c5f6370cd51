import type { Anomaly } from '@serin/protocol/api/datasets';
import type { TableSchema } from '@serin/protocol/table-schema';

import { anomalyOf, counted } from './anomalies.ts';
import type { ProfileState } from './profile.ts';
import { sharedKeys } from './split-leakage.ts';

/** Records of a batch whose id the records it adds to have already: a file that comes again, changed, brings most of itself twice. */
export function repeatedIds(before: ProfileState, batch: ProfileState, schema: TableSchema): Anomaly[] {
  return schema.columns.flatMap(({ name, role, unique }) => {
    if (role !== 'id' || !unique) return [];
    const [known, coming] = [before, batch].map(({ columns }) => columns.find((column) => column.name === name)?.keys);
    if (known == null || coming == null) return [];
    const { count, places } = sharedKeys(known, coming);
    if (count === 0) return [];
    const words = `${counted(count, 'record')} ${count === 1 ? 'has' : 'have'} a ${name} that the dataset has already; leave them out, or replace what is there instead of adding to it`;
    return [anomalyOf({ kind: 'id-duplicate', severity: 'error', column: name, places, count, words }, batch.files)];
  });
}
