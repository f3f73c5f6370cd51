import { stripVTControlCharacters } from 'node:util';

export const formats = ['table', 'json', 'ndjson'] as const;
export type Format = (typeof formats)[number];

export type Tone = 'good' | 'bad' | 'warn' | 'quiet';
export interface Cell {
  text: string;
  tone?: Tone;
}
export interface Column<Item> {
  title: string;
  /** A string stands for a cell without a tone; numbers go to the right. */
  cell(item: Item): string | number | Cell;
}

const tones: Record<Tone, number> = { good: 32, bad: 31, warn: 33, quiet: 90 };

/** What a device or another person named must not drive the terminal. */
export const printable = (text: string): string => stripVTControlCharacters(text).replace(/\p{Cc}+/gu, ' ');

/** Likewise of a text of several lines. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');

function paint(text: string, tone: Tone | undefined, hasColour: boolean): string {
  return hasColour && tone !== undefined ? `\u001B[${tones[tone]}m${text}\u001B[39m` : text;
}

export function formatTable<Item>(columns: readonly Column<Item>[], items: readonly Item[], hasColour: boolean): string {
  const rows = items.map((item) =>
    columns.map(({ cell }): Cell & { isNumber: boolean } => {
      const value = cell(item);
      const { text, tone } = typeof value === 'object' ? value : { text: String(value), tone: undefined };
      return { text: printable(text), isNumber: typeof value === 'number', ...(tone === undefined ? {} : { tone }) };
    }),
  );
  const widths = columns.map(({ title }, index) => Math.max(title.length, ...rows.map((row) => row[index]?.text.length ?? 0)));
  const numeric = columns.map((_, index) => rows.length > 0 && rows.every((row) => row[index]?.isNumber));
  const pad = (text: string, index: number) => (numeric[index] ? text.padStart(widths[index] ?? 0) : text.padEnd(widths[index] ?? 0));
  const head = paint(
    columns
      .map(({ title }, index) => pad(title.toUpperCase(), index))
      .join('  ')
      .trimEnd(),
    'quiet',
    hasColour,
  );
  const body = rows.map((row) =>
    row
      .map(({ text, tone }, index) => {
        const isLast = index === row.length - 1;
        return paint(isLast && !numeric[index] ? text : pad(text, index), tone, hasColour);
      })
      .join('  ')
      .trimEnd(),
  );
  return `${[head, ...body].join('\n')}\n`;
}

/** Name and value a line, for one thing. */
export function formatFields(fields: readonly (readonly [string, string | number | Cell])[], hasColour: boolean): string {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields
    .map(([name, value]) => {
      const { text, tone } = typeof value === 'object' ? value : { text: String(value), tone: undefined };
      return `${paint(name.padEnd(width), 'quiet', hasColour)}  ${paint(printable(text), tone, hasColour)}\n`;
    })
    .join('');
}

export function formatAge(thenMs: number | null, nowMs: number): string {
  if (thenMs === null) return 'never';
  const seconds = Math.max(0, Math.round((nowMs - thenMs) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86_400)} d ago`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

export const figure = (value: number | null | undefined): string => (value === null || value === undefined ? '-' : String(Number(value.toPrecision(4))));

export const formatShare = (share: number | null): string => (share === null ? '-' : `${(share * 100).toFixed(1)} %`);
