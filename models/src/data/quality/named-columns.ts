import type { DataSpec } from '@serin/protocol/api/datasets';

import { addProblem, type Problems } from '../problems.ts';
import type { TableProfile } from './summary.ts';

const shownMax = 12;

/** Columns that people named and that are not there: nothing can be done for them without these. */
export function checkNamedColumns({ label, id, group, time, text = [] }: DataSpec, profile: TableProfile, problems: Problems): void {
  const had = profile.columns.map(({ name }) => name);
  const file = profile.files[0]?.name ?? '.';
  for (const [role, name] of [['label', label], ['id', id], ['group', group], ['time', time], ...text.map((field) => ['text', field])]) {
    if (name === undefined || had.includes(name)) continue;
    const known = `${had.slice(0, shownMax).join(', ')}${had.length > shownMax ? `, and ${had.length - shownMax} more` : ''}`;
    addProblem(problems, { kind: 'column-missing', file, detail: `the ${role} column ${name} is not there; it has ${known}` });
  }
}
