import type { DataSpec } from '@serin/protocol/api/datasets';

import { defaultShares, splitOf, type SplitName, type SplitShares } from '../data/dataset.ts';
import type { Cell, RecordBatch } from '../data/records/batch.ts';

type SplitSpec = Pick<DataSpec, 'label' | 'id' | 'group' | 'ignore'>;

/** A number and its text are one: the same record splits alike whichever format it comes in. */
const textOf = (cell: Cell | undefined): string => (cell === null || cell === undefined ? '' : String(cell).trim());

/**
 * What decides the split of a record: its group, else its id, else all that a model may see of it. Equal rows are then on one side, also
 * under different labels, and the order of columns does not matter.
 */
export function splitKeys({ names, columns, rows }: RecordBatch, { label, id, group, ignore = [] }: SplitSpec): string[] {
  const column = (name: string | undefined): readonly Cell[] | undefined => (name === undefined ? undefined : columns[names.indexOf(name)]);
  const [groups, ids] = [column(group), column(id)];
  const aside = new Set([label, id, group, ...ignore]);
  const visible = names.map((name, place) => ({ name, place })).filter(({ name }) => !aside.has(name));
  visible.sort((one, other) => (one.name < other.name ? -1 : 1));
  return Array.from({ length: rows }, (_, row) => {
    const named = textOf(groups?.[row]) || undefined;
    if (named !== undefined) return `group ${named}`;
    const known = textOf(ids?.[row]) || undefined;
    if (known !== undefined) return `id ${known}`;
    return `row ${JSON.stringify(visible.flatMap(({ name, place }) => (textOf(columns[place]?.[row]) === '' ? [] : [[name, textOf(columns[place]?.[row])]])))}`;
  });
}

/** The side of each record. It depends on the record alone, so a record never moves, whatever else comes or goes. */
export function splitBatch(batch: RecordBatch, spec: SplitSpec, shares: SplitShares = defaultShares): SplitName[] {
  return splitKeys(batch, spec).map((key) => splitOf(key, shares));
}

/** The side of a file that is one example: by its content, so that copies under other names stay together. */
export const splitFile = (sha256: string, shares: SplitShares = defaultShares): SplitName => splitOf(`file ${sha256}`, shares);
