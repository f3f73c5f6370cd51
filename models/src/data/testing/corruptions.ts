import { seededRandom, type Random } from '@serin/inference/random';
import type { Anomaly } from '@serin/protocol/api/datasets';
import type { SchemaColumn, TableSchema } from '@serin/protocol/table-schema';

import type { AnomalyKind } from '../quality/anomalies.ts';
import { inferSchema } from '../quality/infer-schema.ts';
import { mergeProfiles, profileRecords, type ProfileState } from '../quality/profile.ts';
import { columnsApart, profileOptionsOf } from '../quality/schema.ts';
import { splitLeakage } from '../quality/split-leakage.ts';
import { summarise, type TableProfile } from '../quality/summary.ts';
import { validate } from '../quality/validate.ts';
import { batchesOf, copyTable, drawTable, orderColumns, tableSpec, type OrderColumn, type TextTable } from './tables.ts';

/** One way in which records go wrong, and what must be found then: this, of this column, and nothing else. */
export interface Corruption {
  readonly name: string;
  readonly kind: AnomalyKind;
  readonly column: string | null;
  /** Damages the records in place; what it returns is read as a second file. */
  readonly damage: (table: TextTable, random: Random) => TextTable | void;
  /** The reference is damaged too, or there is none. */
  readonly reference?: 'damaged' | 'none';
  /** What a person wrote into the schema. */
  readonly declare?: (column: SchemaColumn) => SchemaColumn;
}

const at = (column: OrderColumn): number => orderColumns.indexOf(column);

/** Changes the cell of a column in a share of the rows. */
const change =
  (column: OrderColumn, share: number, to: (cell: string, random: Random) => string): Corruption['damage'] =>
  ({ rows }, random) => {
    for (const row of rows) if (random.uniform() < share) row[at(column)] = to(row[at(column)] as string, random);
  };

const mojibake = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

export const corruptions: readonly Corruption[] = [
  { name: 'texts among whole numbers', kind: 'wrong-type', column: 'age', damage: change('age', 0.02, (cell) => `${cell} years`) },
  { name: 'texts among numbers', kind: 'wrong-type', column: 'distance_km', damage: change('distance_km', 0.02, () => 'far') },
  { name: 'a sensor that says 9999', kind: 'out-of-range', column: 'temperature_c', damage: change('temperature_c', 0.005, () => '9999') },
  { name: 'a column half empty', kind: 'missing', column: 'amount', damage: change('amount', 0.4, () => 'N/A') },
  {
    name: 'a column gone',
    kind: 'column-missing',
    column: 'channel',
    damage(table) {
      for (const row of [table.names, ...table.rows]) row.splice(at('channel'), 1);
    },
  },
  {
    name: 'a column more',
    kind: 'column-extra',
    column: 'remark',
    damage(table, random) {
      table.names.push('remark');
      for (const row of table.rows) row.push(random.uniform().toFixed(3));
    },
  },
  { name: 'a colour that never was', kind: 'unseen', column: 'colour', damage: change('colour', 0.04, () => 'mauve') },
  { name: 'many shops that never were', kind: 'unseen', column: 'shop', damage: change('shop', 0.1, (_, random) => `stall ${random.integer(400)}`) },
  { name: 'labels missing', kind: 'label-missing', column: 'tier', damage: change('tier', 0.02, () => 'NaN') },
  { name: 'a class that never was', kind: 'class-new', column: 'tier', damage: change('tier', 0.02, () => 'platinum') },
  { name: 'a class gone', kind: 'class-vanished', column: 'tier', damage: change('tier', 1, (cell) => (cell === 'gold' ? 'silver' : cell)) },
  { name: 'a class relabelled', kind: 'label-shift', column: 'tier', damage: change('tier', 0.6, (cell) => (cell === 'bronze' ? 'gold' : cell)) },
  {
    name: 'a class hardly there',
    kind: 'class-rare',
    column: 'tier',
    reference: 'none',
    damage({ rows }) {
      for (const row of rows.slice(0, 3)) row[at('tier')] = 'diamond';
    },
  },
  {
    name: 'rows twice',
    kind: 'duplicates',
    column: null,
    damage({ rows }) {
      for (let place = 0; place < rows.length; place += 20)
        rows[place + 1] = [...(rows[place] as string[])].with(0, rows[place + 1]?.[0] as string).with(1, rows[place]?.[1] as string);
    },
  },
  {
    name: 'ids twice',
    kind: 'id-duplicate',
    column: 'order_id',
    damage({ rows }) {
      for (let place = 0; place < rows.length; place += 100) (rows[place + 1] as string[])[0] = rows[place]?.[0] as string;
    },
  },
  {
    name: 'a column made from the label',
    kind: 'label-leak',
    column: 'score',
    reference: 'damaged',
    damage({ rows }, random) {
      for (const row of rows) row[at('score')] = ({ bronze: 0.1, silver: 0.5, gold: 0.9 }[row[at('tier')] as string] ?? 0 + 0.1 * random.uniform()).toFixed(4);
    },
  },
  { name: 'a column that stands still', kind: 'constant', column: 'channel', damage: change('channel', 1, () => 'web') },
  {
    name: 'most records gone',
    kind: 'shrunk',
    column: null,
    damage(table) {
      table.rows.length = Math.floor(table.rows.length / 5);
    },
  },
  {
    name: 'all records gone',
    kind: 'empty',
    column: null,
    damage(table) {
      table.rows.length = 0;
    },
  },
  { name: 'a sensor that drifts', kind: 'shift', column: 'temperature_c', damage: change('temperature_c', 1, (cell) => (Number(cell) + 4).toFixed(1)) },
  { name: 'a category out of balance', kind: 'shift', column: 'channel', damage: change('channel', 0.5, () => 'web') },
  { name: 'metres for kilometres', kind: 'unit', column: 'distance_km', damage: change('distance_km', 1, (cell) => (Number(cell) * 1000).toFixed(0)) },
  { name: 'Fahrenheit for Celsius', kind: 'unit', column: 'temperature_c', damage: change('temperature_c', 1, (cell) => (Number(cell) * 1.8 + 32).toFixed(1)) },
  { name: 'a sign turned round', kind: 'unit', column: 'temperature_c', damage: change('temperature_c', 1, (cell) => (-Number(cell)).toFixed(1)) },
  {
    name: 'rows out of order',
    kind: 'time-order',
    column: 'placed_at',
    damage({ rows }) {
      for (let place = 0; place + 50 < rows.length; place += 200) {
        const [one, other] = [rows[place], rows[place + 50]] as [string[], string[]];
        rows[place] = other;
        rows[place + 50] = one;
      }
    },
  },
  {
    name: 'a clock that is ahead',
    kind: 'time-future',
    column: 'placed_at',
    damage({ rows }) {
      (rows.at(-1) as string[])[at('placed_at')] = '2099-01-01T00:00:00Z';
    },
  },
  {
    name: 'files of two kinds',
    kind: 'mixed-schema',
    column: 'weight_kg',
    damage(table) {
      const second: TextTable = { names: [...table.names], rows: table.rows.splice(Math.floor(table.rows.length / 2)) };
      for (const row of [second.names, ...second.rows]) row.splice(at('weight_kg'), 1);
      return second;
    },
  },
  { name: 'letters of the wrong encoding', kind: 'encoding', column: 'note', damage: change('note', 0.1, mojibake) },
  {
    name: 'a level written in several ways',
    kind: 'variants',
    column: 'colour',
    damage: change('colour', 0.1, (cell, random) => (random.uniform() < 0.5 ? cell.toUpperCase() : `${cell} `)),
  },
  { name: 'a division by zero', kind: 'not-finite', column: 'score', damage: change('score', 0.01, () => '-inf') },
  {
    name: 'a value of another form',
    kind: 'pattern',
    column: 'shop',
    declare: (column) => (column.name === 'shop' ? { ...column, levels: undefined as never, pattern: String.raw`shop \d+` } : column),
    damage: change('shop', 0.02, () => '???'),
  },
];

export interface Judged {
  readonly found: Anomaly[];
  readonly profile: TableProfile;
}

export interface Known {
  readonly schema: TableSchema;
  readonly reference: TableProfile;
}

/** After the last of the times that are drawn. */
export const nowMs = 1_767_225_600_000;

const profileOf = async (tables: readonly TextTable[], schema?: TableSchema): Promise<ProfileState> => {
  const options = schema === undefined ? { keys: [tableSpec.id], apart: [tableSpec.id] } : profileOptionsOf(schema);
  const parts = await Promise.all(tables.map((table, place) => profileRecords(batchesOf(table, `orders-${place}.csv`), options)));
  return parts.reduce(mergeProfiles);
};

/** What is learnt from records that are taken for good. */
export async function learnFrom(table: TextTable): Promise<Known> {
  const state = await profileOf([table]);
  const schema = inferSchema(summarise(state), { spec: tableSpec });
  return { schema, reference: summarise(state, { label: tableSpec.label, apart: columnsApart(schema) }) };
}

export async function judge(tables: readonly TextTable[], schema: TableSchema, reference: TableProfile | undefined): Promise<Judged> {
  const profile = summarise(await profileOf(tables, schema), { label: tableSpec.label, apart: columnsApart(schema) });
  return { profile, found: validate(profile, schema, reference, { now: nowMs }) };
}

/** Good records of one seed to learn from, damaged ones of another to find fault with. */
export async function inject({ name, damage, reference, declare }: Corruption, seed: number, rows: number): Promise<Anomaly[]> {
  const random = seededRandom(`${name}/${seed}`);
  const good = drawTable(`${seed}/good`, rows);
  const bad = copyTable(drawTable(`${seed}/bad`, rows, rows));
  const second = damage(bad, random);
  if (reference === 'damaged') damage(good, random.fork('reference'));
  const known = await learnFrom(reference === 'none' ? bad : good);
  const schema = declare === undefined ? known.schema : { ...known.schema, columns: known.schema.columns.map(declare) };
  return (await judge(second === undefined ? [bad] : [bad, second], schema, reference === 'none' ? undefined : known.reference)).found;
}

export const isFound = ({ kind, column }: Corruption, found: readonly Anomaly[]): boolean => found.some((one) => one.kind === kind && one.column === column);

/** Sizes of the pairs of good records, small ones among them. */
const cleanSizes = [40, 120, 400, 1500, 4000] as const;

/** Good records of one seed, judged by what other good records of the same kind taught, by what they teach themselves, and as two sides of a split. */
export async function judgeClean(seed: number): Promise<Anomaly[]> {
  const rows = cleanSizes[seed % cleanSizes.length] as number;
  const [one, other] = [drawTable(`${seed}/one`, rows), drawTable(`${seed}/other`, rows, rows)];
  const { schema, reference } = await learnFrom(one);
  const [train, test] = [await profileOf([one], schema), await profileOf([other], schema)];
  return [
    ...(await judge([other], schema, reference)).found,
    ...(await judge([one], schema, undefined)).found,
    ...splitLeakage({ name: 'train', state: train }, { name: 'test', state: test }, schema),
  ];
}
