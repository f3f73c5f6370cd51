import { dataSpec, type DataSpec } from '@serin/protocol/api/datasets';
import { UsageError } from '../exit-codes.ts';

/** What columns are for, as flags. */
export const specArgs = {
  kind: { type: 'enum', options: ['table', 'text', 'images'] as string[], description: 'what the records are; by the files when left out' },
  label: { type: 'string', valueHint: 'column', description: 'the column to predict' },
  id: { type: 'string', valueHint: 'column', description: 'names a record, so that it never changes its split' },
  group: { type: 'string', valueHint: 'column', description: 'records of one group stay on one side of the split' },
  time: { type: 'string', valueHint: 'column', description: 'when a record was made' },
  text: { type: 'string', valueHint: 'a,b', description: 'columns that are joined into the text' },
  ignore: { type: 'string', valueHint: 'a,b', description: 'columns no model may see' },
  format: {
    type: 'enum',
    options: ['csv', 'jsonl', 'parquet', 'lines', 'folders'] as string[],
    description: 'how files are read; by their names when left out',
  },
  encoding: { type: 'enum', options: ['utf-8', 'utf-16le', 'utf-16be', 'windows-1252'] as string[], description: 'of text files; found out when left out' },
  delimiter: { type: 'string', valueHint: ', ; | or tab', description: 'of CSV files; found out when left out' },
} as const;

export interface SpecFlags {
  kind?: string | undefined;
  label?: string | undefined;
  id?: string | undefined;
  group?: string | undefined;
  time?: string | undefined;
  text?: string | undefined;
  ignore?: string | undefined;
  format?: string | undefined;
  encoding?: string | undefined;
  delimiter?: string | undefined;
}

const names = (list: string): string[] =>
  list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

const pictures = /\.(png|jpe?g|webp|gif|tiff?)$/i;

export const guessKind = (flags: SpecFlags, files: readonly string[]): DataSpec['kind'] =>
  flags.text !== undefined ? 'text' : files.length > 0 && files.every((file) => pictures.test(file)) ? 'images' : 'table';

export function readSpec(flags: SpecFlags, files: readonly string[] = []): DataSpec {
  const { label, id, group, time, text, ignore, format, encoding, delimiter } = flags;
  const kind = flags.kind ?? guessKind(flags, files);
  const spec = {
    kind,
    label,
    id,
    group,
    time,
    text: text === undefined ? undefined : names(text),
    ignore: ignore === undefined ? undefined : names(ignore),
    format: format ?? (kind === 'images' ? 'folders' : undefined),
    encoding,
    delimiter: delimiter === 'tab' ? '\t' : delimiter,
  };
  const parsed = dataSpec.safeParse(Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined)));
  if (!parsed.success) throw new UsageError(parsed.error.issues.map(({ path, message }) => `--${path.join('.')}: ${message}`).join('; '));
  return parsed.data;
}
