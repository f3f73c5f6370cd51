import { brotliDecompressSync, gunzipSync } from 'node:zlib';

import type { ColumnMetaData, Compressors, DataReader } from 'hyparquet';
import { compressors as allCompressors, decompressZstd } from 'hyparquet-compressors';
import { parquetHeader } from 'hyparquet/src/column.js';
import { deltaBinaryUnpack } from 'hyparquet/src/delta.js';
import { readRleBitPackedHybrid } from 'hyparquet/src/encoding.js';
import { readVarInt } from 'hyparquet/src/thrift.js';

import { FileProblem } from '../folder.ts';

const pageBytesMax = 256 * 2 ** 20;

export const damaged = (detail: string, cause?: unknown): FileProblem => new FileProblem('format', `the Parquet file is damaged: ${detail}`, cause);

type Unpack = (input: Uint8Array, length: number) => Uint8Array;

/** Sizes come from the file: whoever made it must not make this process reserve what it likes. */
export const compressors: Compressors = Object.fromEntries(
  Object.entries({
    ...allCompressors,
    GZIP: (input: Uint8Array, length: number) => gunzipSync(input, { maxOutputLength: Math.max(1, length) }),
    BROTLI: (input: Uint8Array, length: number) => brotliDecompressSync(input, { maxOutputLength: Math.max(1, length) }),
    ZSTD: (input: Uint8Array, length: number) => decompressZstd(input, new Uint8Array(length)),
  } as Record<string, Unpack>).map(([codec, unpack]): [string, Unpack] => [
    codec,
    (input, length) => {
      if (!(length >= 0 && length <= pageBytesMax)) throw damaged(`a page of ${length} bytes`);
      return unpack(input, length);
    },
  ]),
);

/**
 * The decoder believes counts and run lengths, and may run or allocate without end on a file made to do so. Every page of a column chunk is
 * walked beforehand: its pages lie in it and have as many values as the row group has rows, and its runs as many as the page.
 */
export function checkPages(bytes: ArrayBuffer, meta: ColumnMetaData, optional: boolean, rows: number): void {
  const column = meta.path_in_schema.join('.');
  const reader: DataReader = { view: new DataView(bytes), offset: 0 };
  let values = 0;
  while (values < rows && reader.offset < bytes.byteLength - 1) {
    const header = parquetHeader(reader);
    const { compressed_page_size: packed, uncompressed_page_size: unpacked, type } = header;
    if (!(packed >= 0 && unpacked >= 0 && unpacked <= pageBytesMax) || reader.offset + packed > bytes.byteLength)
      throw damaged(`a page of ${column} is cut off`);
    const raw = new Uint8Array(bytes, reader.offset, packed);
    reader.offset += packed;
    const v1 = type === 'DATA_PAGE' ? header.data_page_header : undefined;
    const v2 = type === 'DATA_PAGE_V2' ? header.data_page_header_v2 : undefined;
    const count = (v1 ?? v2 ?? (type === 'DICTIONARY_PAGE' ? header.dictionary_page_header : undefined))?.num_values;
    if (count === undefined || !(count >= 0 && count <= rows)) throw damaged(`a page of ${column} has ${count ?? 'no'} values in ${rows} rows`);
    if (v1 !== undefined) {
      checkFirstForm(unpack(raw, unpacked, meta.codec), count, v1.encoding, optional, meta.type === 'BOOLEAN');
      values += count;
    } else if (v2 !== undefined) {
      const levels = v2.definition_levels_byte_length;
      if (v2.repetition_levels_byte_length !== 0 || !(levels >= 0 && levels <= packed) || v2.num_rows !== count)
        throw damaged(`a page of ${column} is not of a plain column`);
      if (!(v2.num_nulls >= 0 && v2.num_nulls <= count)) throw damaged(`a page of ${column} has ${v2.num_nulls} empty of ${count} values`);
      if (optional) checkRuns(readerOf(raw.subarray(0, levels)), 1, count);
      const page = v2.is_compressed === false ? raw.subarray(levels) : unpack(raw.subarray(levels), unpacked - levels, meta.codec);
      checkValues(readerOf(page), count - v2.num_nulls, v2.encoding, meta.type === 'BOOLEAN');
      values += count;
    }
  }
  if (values !== rows) throw damaged(`the pages of ${column} have ${values} values in ${rows} rows`);
}

const readerOf = (bytes: Uint8Array): DataReader => ({ view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 });

function unpack(raw: Uint8Array, length: number, codec: ColumnMetaData['codec']): Uint8Array {
  if (codec === 'UNCOMPRESSED') return raw;
  const unpacker = compressors[codec];
  if (unpacker === undefined) throw new FileProblem('format', `the Parquet file is packed with ${codec}, which is not understood`);
  return unpacker(raw, length);
}

function checkFirstForm(page: Uint8Array, count: number, encoding: string, optional: boolean, isBoolean: boolean): void {
  const reader = readerOf(page);
  let nulls = 0;
  if (optional) {
    const length = reader.view.getUint32(0, true);
    if (length > page.length - 4) throw damaged('levels that are longer than their page');
    checkRuns(readerOf(page.subarray(4, 4 + length)), 1, count);
    const levels = new Uint8Array(count);
    readRleBitPackedHybrid(reader, 1, levels);
    nulls = levels.reduce((sum, level) => sum + (level === 1 ? 0 : 1), 0);
  }
  checkValues(reader, count - nulls, encoding, isBoolean);
}

function checkValues(reader: DataReader, count: number, encoding: string, isBoolean: boolean): void {
  if (count === 0) return;
  if (encoding === 'RLE' || encoding.endsWith('_DICTIONARY')) {
    // Booleans have their length before the runs, indices the width of their bits.
    if (isBoolean) reader.offset += 4;
    const width = isBoolean ? 1 : reader.view.getUint8(reader.offset);
    if (!isBoolean) reader.offset += 1;
    if (width > 32) throw damaged(`numbers of ${width} bits`);
    if (width > 0) checkRuns(reader, width, count);
    else if (reader.offset < reader.view.byteLength && count > 0) checkRuns(reader, 0, count);
  } else if (encoding.startsWith('DELTA_')) {
    const start = reader.offset;
    const blockSize = readVarInt(reader);
    const miniblocks = readVarInt(reader);
    const stated = readVarInt(reader);
    if (!(blockSize > 0 && blockSize <= 2 ** 20 && miniblocks > 0 && miniblocks <= 512 && blockSize % miniblocks === 0 && stated >= 0 && stated <= count)) {
      throw damaged('a block of differences of an impossible size');
    }
    reader.offset = start;
    if (encoding === 'DELTA_BYTE_ARRAY') checkPrefixes(reader, count);
  }
}

/** Values that repeat the one before them may grow without end. */
function checkPrefixes(reader: DataReader, count: number): void {
  const prefixes = new Int32Array(count);
  deltaBinaryUnpack(reader, count, prefixes);
  if (prefixes.some((length) => length < 0) || prefixes.reduce((sum, length) => sum + length, 0) > pageBytesMax)
    throw damaged('a page that unpacks to more than its limit');
  checkValues(reader, count, 'DELTA_LENGTH_BYTE_ARRAY', false);
}

/** Runs that repeat a value and runs of packed ones, as the decoder takes them. */
function checkRuns(reader: DataReader, width: number, count: number): void {
  const { view } = reader;
  let { offset } = reader;
  for (let seen = 0; seen < count;) {
    const at: DataReader = { view, offset };
    const header = readVarInt(at);
    const length = (header >>> 1) * ((header & 1) === 1 ? 8 : 1);
    // Writers fill the last group of packed ones.
    if (header < 0 || length > count - seen + ((header & 1) === 1 ? 512 : 0)) throw damaged('a run that is longer than its page');
    offset = at.offset + ((header & 1) === 1 ? Math.max(1, (length / 8) * width) : (width + 7) >> 3);
    seen += length;
  }
}
