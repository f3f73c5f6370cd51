import type { FileHandle } from 'node:fs/promises';

import { parquetMetadataAsync, parquetRead, parquetSchema, type AsyncBuffer, type FileMetaData, type RowGroup, type SchemaTree } from 'hyparquet';

import { SerinError } from '@serin/protocol/errors';

import { throwIfCancelled } from '../../train/cancellation.ts';
import { FileProblem } from '../folder.ts';
import { addProblem } from '../problems.ts';
import { batchRows, type Cell, type RecordBatch } from './batch.ts';
import { fileName, openFile, recordLimits, reportFault, type ReadRecordsOptions } from './input.ts';
import { checkPages, compressors, damaged } from './parquet-pages.ts';

const metadataBytesMax = 16 * 2 ** 20;
/** A row group is in memory whole: its bytes once unpacked, and its cells. */
const groupBytesMax = 2 ** 30;
const groupCellsMax = 128 * 2 ** 20;

const tooLarge = (detail: string): FileProblem => new FileProblem('too-large', detail);

const fatalText = new TextDecoder('utf-8', { fatal: true });

/** Text as it is; times and dates as ISO 8601, which is how the other formats bring them. */
const parsers = {
  stringFromBytes: (bytes: Uint8Array | undefined): string | undefined => {
    if (bytes === undefined) return undefined;
    try {
      return fatalText.decode(bytes);
    } catch (cause) {
      throw new FileProblem('format', 'a column has bytes that are no text; leave it out of the file or write it as text', cause);
    }
  },
  jsonFromBytes: (bytes: Uint8Array | undefined): string | undefined => (bytes === undefined ? undefined : new TextDecoder().decode(bytes)),
  dateFromDays: (days: number | undefined): string | undefined => (days === undefined ? undefined : isoTime(days * 86_400_000).slice(0, 10)),
  timestampFromMilliseconds: (time: bigint | undefined): string | undefined => (time === undefined ? undefined : isoTime(Number(time))),
  timestampFromMicroseconds: (time: bigint | undefined): string | undefined => (time === undefined ? undefined : isoTime(Number(time / 1000n))),
  timestampFromNanoseconds: (time: bigint | undefined): string | undefined => (time === undefined ? undefined : isoTime(Number(time / 1_000_000n))),
};

function isoTime(time: number): string {
  if (!(Math.abs(time) <= 8.64e15)) throw damaged('a time beyond any calendar');
  return new Date(time).toISOString();
}

interface ParquetColumn {
  readonly name: string;
  /** Decimals are scaled by a power of ten, which leaves noise behind the last digit. */
  readonly decimals: number | undefined;
  readonly optional: boolean;
}

/** Row group after row group, so a file may be larger than memory; one row group may not. */
export async function* readParquet(file: string, options: ReadRecordsOptions): AsyncGenerator<RecordBatch> {
  const { problems, signal, onProgress } = options;
  const name = fileName(file, options);
  let handle: FileHandle | undefined;
  let group = 0;
  try {
    const opened = await openFile(file);
    handle = opened.handle;
    const buffer = fileBuffer(handle, opened.size, signal);
    const metadata = await readMetadata(buffer);
    const columns = flatColumns(metadata, options.limits?.columnsMax ?? recordLimits.columnsMax);
    let first = 0;
    for (const rowGroup of metadata.row_groups) {
      group += 1;
      const rows = await checkGroup(buffer, rowGroup, columns);
      const cells = await readGroup(buffer, metadata, columns, first, rows);
      for (let start = 0; start < rows; start += batchRows) {
        throwIfCancelled(signal);
        const size = Math.min(batchRows, rows - start);
        const numbers = Int32Array.from({ length: size }, (_, row) => first + start + row + 1);
        yield {
          file: name,
          names: columns.map((column) => column.name),
          columns: cells.map((column) => column.slice(start, start + size)),
          rows: size,
          numbers,
        };
      }
      first += rows;
      onProgress?.({ bytes: Math.round((opened.size * group) / metadata.row_groups.length), totalBytes: opened.size });
    }
    if (first === 0) addProblem(problems, { kind: 'empty', file: name, detail: 'it has no rows' });
  } catch (error) {
    if (error instanceof SerinError) throw error;
    // Whatever the decoder stumbles over is in the file.
    const fault = error instanceof FileProblem ? error : damaged(error instanceof Error ? error.message.slice(0, 200) : String(error), error);
    reportFault(fault, name, problems, group === 0 ? undefined : `row group ${group}`);
  } finally {
    await handle?.close();
  }
}

function fileBuffer(handle: FileHandle, byteLength: number, signal: AbortSignal | undefined): AsyncBuffer {
  return {
    byteLength,
    async slice(start, end = byteLength) {
      throwIfCancelled(signal);
      if (!(start >= 0 && start <= end && end <= byteLength)) throw damaged(`it points at bytes ${start} to ${end} of ${byteLength}`);
      if (end - start > groupBytesMax) throw tooLarge(`a part of ${end - start} bytes; at most ${groupBytesMax} are read at once`);
      const bytes = new Uint8Array(end - start);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
      if (bytesRead !== bytes.length) throw damaged('it ends early');
      return bytes.buffer;
    },
  };
}

async function readMetadata(buffer: AsyncBuffer): Promise<FileMetaData> {
  if (buffer.byteLength < 12) throw new FileProblem('format', 'it is too short for a Parquet file');
  const tail = new DataView(await buffer.slice(buffer.byteLength - 8, buffer.byteLength));
  const magic = String.fromCharCode(...new Uint8Array(tail.buffer, 4, 4));
  if (magic === 'PARE') throw new FileProblem('format', 'the Parquet file is encrypted');
  if (magic !== 'PAR1') throw new FileProblem('format', 'it is no Parquet file, or one that was cut off: its end is missing');
  const length = tail.getUint32(0, true);
  if (length > metadataBytesMax) throw tooLarge(`its description has ${length} bytes; at most ${metadataBytesMax} are read`);
  if (length > buffer.byteLength - 12) throw damaged('its description is longer than the file');
  return parquetMetadataAsync(buffer);
}

/** The columns of a flat table; all that are not flat are named at once. */
function flatColumns(metadata: FileMetaData, columnsMax: number): ParquetColumn[] {
  if (metadata.schema.length - 1 > columnsMax * 4) throw tooLarge(`it has ${metadata.schema.length - 1} columns; at most ${columnsMax} are read`);
  const { children } = parquetSchema(metadata);
  if (children.length === 0) throw damaged('it has no columns');
  if (children.length > columnsMax) throw tooLarge(`it has ${children.length} columns; at most ${columnsMax} are read`);
  const isNested = ({ children: inner, element }: SchemaTree): boolean => inner.length > 0 || element.repetition_type === 'REPEATED';
  const nested = children.filter(isNested).map(({ element }) => element.name);
  if (nested.length > 0) {
    throw new FileProblem(
      'nested',
      `${nested.slice(0, 8).join(', ')}${nested.length > 8 ? ', ...' : ''} ${nested.length === 1 ? 'is a list or a record' : 'are lists or records'}; a table has plain columns only`,
    );
  }
  const names = children.map(({ element }) => element.name);
  const twice = names.find((name, place) => names.indexOf(name) !== place);
  if (twice !== undefined) throw new FileProblem('format', `it has the column ${twice} twice`);
  return children.map(({ element: { name, converted_type: type, scale = 0, repetition_type: repetition } }) => ({
    name,
    decimals: type === 'DECIMAL' ? Math.min(100, Math.max(0, scale)) : undefined,
    optional: repetition !== 'REQUIRED',
  }));
}

/** Rows of the group, once its columns are seen to have as many and its pages to lie in it. */
async function checkGroup(buffer: AsyncBuffer, group: RowGroup, described: readonly ParquetColumn[]): Promise<number> {
  const columns = described.length;
  const optional = new Set(described.flatMap((column) => (column.optional ? [column.name] : [])));
  const rows = Number(group.num_rows);
  if (!(rows >= 0)) throw damaged(`it has ${rows} rows`);
  if (rows * columns > groupCellsMax || group.total_byte_size > groupBytesMax) {
    throw tooLarge(
      `the row group has ${rows} rows of ${columns} columns in ${group.total_byte_size} bytes; write smaller row groups (at most ${groupBytesMax} bytes)`,
    );
  }
  if (group.columns.length !== columns) throw damaged(`${group.columns.length} of ${columns} columns are there`);
  for (const { meta_data: meta, file_path: elsewhere } of group.columns) {
    if (meta === undefined || (elsewhere !== undefined && elsewhere !== ''))
      throw new FileProblem('format', 'a column of it lies in another file, or is encrypted');
    const start = Number(meta.dictionary_page_offset !== undefined && meta.dictionary_page_offset > 0n ? meta.dictionary_page_offset : meta.data_page_offset);
    const bytes = await buffer.slice(start, start + Number(meta.total_compressed_size));
    if (Number(meta.num_values) !== rows) throw damaged(`${meta.path_in_schema.join('.')} has ${meta.num_values} values in ${rows} rows`);
    checkPages(bytes, meta, optional.has(meta.path_in_schema.join('.')), rows);
  }
  return rows;
}

async function readGroup(file: AsyncBuffer, metadata: FileMetaData, columns: readonly ParquetColumn[], first: number, rows: number): Promise<Cell[][]> {
  const cells: Cell[][] = [];
  for (const { name, decimals } of columns) {
    const column = Array.from<Cell>({ length: rows }).fill(null);
    let seen = 0;
    await parquetRead({
      file,
      metadata,
      columns: [name],
      rowStart: first,
      rowEnd: first + rows,
      compressors,
      parsers,
      geoparquet: false,
      onChunk: ({ columnData, rowStart }) => {
        seen += columnData.length;
        const end = Math.min(columnData.length, first + rows - rowStart);
        for (let row = 0; row < end; row += 1) column[rowStart - first + row] = toCell(columnData[row], decimals);
      },
    });
    if (seen !== rows) throw damaged(`${name} has ${seen} values in ${rows} rows`);
    cells.push(column);
  }
  return cells;
}

function toCell(value: unknown, decimals: number | undefined): Cell {
  if (value === null || value === undefined) return null;
  if (typeof value === 'number') return decimals === undefined ? value : Number(value.toFixed(decimals));
  // Beyond 2^53 a number would be another one.
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  throw new FileProblem('format', 'a column has bytes that are no text; leave it out of the file or write it as text');
}
