import { seededRandom, type Random } from '@serin/inference/random';

import type { Cell, RecordBatch } from '../records/batch.ts';

/** Orders of a shop that does not exist: synthetic, drawn from a seed, with a label that honest columns tell only in part. */
export const orderColumns = [
  'order_id',
  'placed_at',
  'amount',
  'weight_kg',
  'temperature_c',
  'distance_km',
  'items',
  'age',
  'score',
  'discount',
  'colour',
  'shop',
  'channel',
  'express',
  'note',
  'tier',
] as const;
export type OrderColumn = (typeof orderColumns)[number];

export const tableSpec = { label: 'tier', id: 'order_id', time: 'placed_at' } as const;

const colours = ['red', 'green', 'blue', 'amber', 'violet'] as const;
const channels = ['web', 'phone', 'counter'] as const;
const words = ['café', 'señor', 'Grüße', 'déjà', 'parcel', 'gift', 'fragile', 'crème', 'call first', 'naïve'] as const;
const shops = Array.from({ length: 40 }, (_, at) => `shop ${at + 1}`);
const tiers = ['bronze', 'silver', 'gold'] as const;
/** 2025-01-01. */
const firstMs = 1_735_689_600_000;

/** Few shops have most of the orders. */
function drawShop(random: Random): string {
  const place = Math.floor(shops.length * random.uniform() ** 3);
  return shops[place] as string;
}

function drawOrder(random: Random, id: number): string[] {
  const pick = (list: readonly string[]): string => list[random.integer(list.length)] as string;
  const amount = Math.exp(3.5 + 0.9 * random.normal());
  const score = random.normal();
  const items = 1 + Math.floor(-Math.log(1 - random.uniform()) * 2.5);
  const colour = pick(colours);
  // A strong column, a weak one and a category: together they tell most tiers, none of them tells all.
  const worth = 1.6 * score + 0.5 * Math.log(amount) + (colour === 'violet' ? 0.6 : 0) + 0.5 * random.normal();
  const tier = worth > 2.9 ? 2 : worth > 1.3 ? 1 : 0;
  return [
    `o${String(id).padStart(8, '0')}`,
    new Date(firstMs + id * 1000).toISOString(),
    amount.toFixed(2),
    (0.2 + 5 * random.uniform()).toFixed(3),
    (18 + 6 * random.normal()).toFixed(1),
    (-Math.log(1 - random.uniform()) * 40).toFixed(2),
    String(items),
    String(Math.max(16, Math.round(44 + 14 * random.normal()))),
    score.toFixed(4),
    random.uniform() < 0.15 ? '' : (random.integer(7) * 5).toString(),
    colour,
    drawShop(random),
    pick(channels),
    random.uniform() < 0.3 ? 'true' : 'false',
    `${pick(words)} ${pick(words)} ${random.integer(1000)}`,
    tiers[tier] as string,
  ];
}

/** Rows as a file has them; ids go on from `first`. */
export function* drawOrders(seed: number | string, rows: number, first = 0): Generator<string[]> {
  const random = seededRandom(`orders/${seed}`);
  for (let row = 0; row < rows; row += 1) yield drawOrder(random, first + row);
}

/** A small table in memory that tests may damage. */
export interface TextTable {
  names: string[];
  rows: string[][];
}

export const drawTable = (seed: number | string, rows: number, first = 0): TextTable => ({
  names: [...orderColumns],
  rows: [...drawOrders(seed, rows, first)],
});

export const copyTable = ({ names, rows }: TextTable): TextTable => ({ names: [...names], rows: rows.map((row) => [...row]) });

const needsQuotes = /[",\n\r]/;
const field = (text: string): string => (needsQuotes.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

export const csvLine = (cells: readonly string[], delimiter = ','): string => `${cells.map(field).join(delimiter)}\n`;

/** As a reader would hand it out. */
export async function* batchesOf({ names, rows }: TextTable, file = 'orders.csv', size = 1000): AsyncGenerator<RecordBatch> {
  for (let from = 0; from < Math.max(1, rows.length); from += size) {
    const part = rows.slice(from, from + size);
    yield {
      file,
      names,
      columns: names.map((_, at) => part.map((row): Cell => (row[at] === '' ? null : (row[at] ?? null)))),
      rows: part.length,
      numbers: Int32Array.from(part, (_, at) => from + at + 2),
    };
  }
}
