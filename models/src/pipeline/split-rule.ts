import type { DataSpec } from '@serin/protocol/api/datasets';

import { splitOf, type SplitName, type SplitShares } from '../data/dataset.ts';
import { isMissing } from '../data/quality/cells.ts';
import { hashed, hashText, mixInto } from '../data/quality/hashes.ts';
import type { Cell, RecordBatch } from '../data/records/batch.ts';

/**
 * Which part a record belongs to, by its content alone and before anything is known of its columns, so that it never moves,
 * whatever else comes or goes. What belongs together has one key: a group, else an id, else the record without its label.
 */
export function keysOf(batch: RecordBatch, spec: DataSpec): (row: number) => string {
  const named = spec.group ?? spec.id;
  const ids = named === undefined ? undefined : batch.columns[batch.names.indexOf(named)];
  const isText = spec.kind === 'text';
  const read = isText && spec.text !== undefined ? spec.text : batch.names.filter((name) => name !== spec.label);
  const columns = read.map((name) => batch.columns[batch.names.indexOf(name)]).filter((cells) => cells !== undefined);
  const contentOf = (row: number): string => {
    const words = new Uint32Array(2);
    for (const cells of columns) {
      hashText(plain(cells[row] ?? null, isText));
      mixInto(words, 0, hashed.high, hashed.low);
    }
    return `${words[0]}/${words[1]}`;
  };
  return (row) => {
    const id = ids?.[row] ?? null;
    return isMissing(id) ? contentOf(row) : String(id).trim();
  };
}

/** Texts that differ in case, blanks and marks alone are copies of each other. */
function plain(cell: Cell, isText: boolean): string {
  if (cell === null) return '';
  const text = String(cell).trim();
  return isText ? text.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, ' ') : text;
}

export const partsOf = (batch: RecordBatch, spec: DataSpec, shares: SplitShares): SplitName[] => {
  const keys = keysOf(batch, spec);
  return Array.from({ length: batch.rows }, (_, row) => splitOf(keys(row), shares));
};

/** The records of a batch at some of its rows. */
export const pickBatch = (batch: RecordBatch, rows: readonly number[]): RecordBatch => ({
  ...batch,
  rows: rows.length,
  numbers: Int32Array.from(rows, (row) => batch.numbers[row] ?? 0),
  columns: batch.columns.map((cells) => rows.map((row) => cells[row] ?? null)),
});

interface Channel<Item> extends AsyncIterable<Item> {
  push(item: Item): Promise<void>;
  end(error?: unknown): void;
}

/** Hands one item at a time from a producer to a consumer; the producer waits until it is taken. */
function channel<Item>(): Channel<Item> {
  let waiting: ((result: IteratorResult<Item>) => void) | undefined;
  let failing: ((error: unknown) => void) | undefined;
  let offered: { item: Item; taken: () => void } | undefined;
  let ended: { error: unknown } | undefined;
  return {
    push: (item) =>
      new Promise((resolve) => {
        if (ended !== undefined) return resolve();
        if (waiting === undefined) return void (offered = { item, taken: resolve });
        const take = waiting;
        waiting = undefined;
        take({ done: false, value: item });
        resolve();
      }),
    end: (error) => {
      ended ??= { error };
      offered?.taken();
      if (error === undefined) waiting?.({ done: true, value: undefined });
      else failing?.(error);
      waiting = undefined;
    },
    [Symbol.asyncIterator]: () => ({
      next: () =>
        new Promise((resolve, reject) => {
          if (offered !== undefined) {
            const { item, taken } = offered;
            offered = undefined;
            resolve({ done: false, value: item });
            return taken();
          }
          if (ended !== undefined) return ended.error === undefined ? resolve({ done: true, value: undefined }) : reject(ended.error as Error);
          [waiting, failing] = [resolve, reject];
        }),
    }),
  };
}

/** One pass over records for two readers: those to train on, and the rest. */
export async function readDivided<Result>(
  batches: AsyncIterable<RecordBatch>,
  isTraining: (batch: RecordBatch) => readonly boolean[],
  read: (batches: AsyncIterable<RecordBatch>) => Promise<Result>,
): Promise<[training: Result, rest: Result]> {
  const channels = [channel<RecordBatch>(), channel<RecordBatch>()] as const;
  const distribute = async (): Promise<void> => {
    try {
      for await (const batch of batches) {
        const chosen = isTraining(batch);
        const rows = Array.from(chosen.keys());
        await channels[0].push(
          pickBatch(
            batch,
            rows.filter((row) => chosen[row] === true),
          ),
        );
        await channels[1].push(
          pickBatch(
            batch,
            rows.filter((row) => chosen[row] !== true),
          ),
        );
      }
      for (const one of channels) one.end();
    } catch (error) {
      for (const one of channels) one.end(error);
    }
  };
  const stop = (error: unknown): never => {
    for (const one of channels) one.end(error);
    throw error;
  };
  const [training, rest] = await Promise.all([read(channels[0]).catch(stop), read(channels[1]).catch(stop), distribute()]);
  return [training, rest];
}
