import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';

import fc from 'fast-check';
import { parquetMetadata } from 'hyparquet';
import { parquetWriteBuffer, type BasicType } from 'hyparquet-writer';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { noProblems } from '../problems.ts';
import { readParquet } from './parquet.ts';
import { collectRecords } from './testing/collect.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'serin-parquet-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Columns = Parameters<typeof parquetWriteBuffer>[0]['columnData'];
const written = (columnData: Columns, options: Partial<Parameters<typeof parquetWriteBuffer>[0]> = {}): Uint8Array =>
  new Uint8Array(parquetWriteBuffer({ columnData, ...options }));

async function read(bytes: Uint8Array) {
  const file = path.join(folder, 'a.parquet');
  await writeFile(file, bytes);
  const problems = noProblems();
  const found = await collectRecords(readParquet(file, { problems }));
  return { ...found, problems: problems.list };
}

test('columns of every plain type come as cells: times as ISO 8601, whole numbers beyond a double as text', async () => {
  const { records, numbers, problems } = await read(
    written([
      { name: 'n', data: [1.5, null, -2], type: 'DOUBLE' },
      { name: 'i', data: [1n, 2n ** 60n, null], type: 'INT64' },
      { name: 's', data: ['ü', '', null], type: 'STRING' },
      { name: 'b', data: [true, false, null], type: 'BOOLEAN' },
      { name: 't', data: [new Date('2026-01-02T03:04:05.678Z'), null, new Date(0)], type: 'TIMESTAMP' },
      { name: 'j', data: [{ x: 1 }, null, [2]], type: 'JSON' },
    ]),
  );
  expect(problems).toEqual([]);
  expect(numbers).toEqual([1, 2, 3]);
  expect(records).toEqual([
    { n: 1.5, i: 1, s: 'ü', b: true, t: '2026-01-02T03:04:05.678Z', j: '{"x":1}' },
    { n: null, i: '1152921504606846976', s: '', b: false, t: null, j: null },
    { n: -2, i: null, s: null, b: null, t: '1970-01-01T00:00:00.000Z', j: '[2]' },
  ]);
});

test('row groups come one after the other, in order, whatever their sizes', async () => {
  const values = Array.from({ length: 20_000 }, (_, row) => row);
  const texts = values.map((row) => `text ${row % 50}`);
  const { records, numbers, problems } = await read(
    written(
      [
        { name: 'x', data: values, type: 'INT32' },
        { name: 's', data: texts, type: 'STRING' },
      ],
      { rowGroupSize: [7, 9000, 10_000, 993], pageSize: 4096 },
    ),
  );
  expect(problems).toEqual([]);
  expect(records.map(({ x }) => x)).toEqual(values);
  expect(records.map(({ s }) => s)).toEqual(texts);
  expect(numbers.at(-1)).toBe(20_000);
});

const encoded: Columns = [
  { name: 'i', data: Array.from({ length: 300 }, (_, row) => row * 3), type: 'INT32', encoding: 'DELTA_BINARY_PACKED' },
  { name: 'l', data: Array.from({ length: 300 }, (_, row) => (row % 7 === 0 ? null : BigInt(row))), type: 'INT64', encoding: 'DELTA_BINARY_PACKED' },
  { name: 'a', data: Array.from({ length: 300 }, (_, row) => `same beginning ${row}`), type: 'STRING', encoding: 'DELTA_BYTE_ARRAY' },
  { name: 'd', data: Array.from({ length: 300 }, (_, row) => `text ${row}`), type: 'STRING', encoding: 'DELTA_LENGTH_BYTE_ARRAY' },
  { name: 'f', data: Array.from({ length: 300 }, (_, row) => row / 7), type: 'DOUBLE', encoding: 'BYTE_STREAM_SPLIT' },
  { name: 'b', data: Array.from({ length: 300 }, (_, row) => row % 3 === 0), type: 'BOOLEAN', encoding: 'RLE' },
  { name: 's', data: Array.from({ length: 300 }, (_, row) => (row % 5 === 0 ? null : `level ${row % 4}`)), type: 'STRING' },
];

test.each([
  ['SNAPPY', {}],
  ['UNCOMPRESSED', {}],
  ['GZIP', { GZIP: (input: Uint8Array) => new Uint8Array(gzipSync(input)) }],
  ['BROTLI', { BROTLI: (input: Uint8Array) => new Uint8Array(brotliCompressSync(input)) }],
] as const)('every encoding of pages is read, packed with %s', async (codec, packers) => {
  const { records, problems } = await read(written(encoded, { codec, compressors: packers, rowGroupSize: 120 }));
  expect(problems).toEqual([]);
  const plain = (cell: unknown): unknown => (typeof cell === 'bigint' ? Number(cell) : cell);
  expect(records).toEqual(Array.from({ length: 300 }, (_, row) => Object.fromEntries(encoded.map(({ name, data }) => [name, plain(data[row])]))));
});

test('lists and records are refused by name', async () => {
  const schema = [
    { name: 'root', num_children: 2 },
    { name: 'plain', type: 'INT32' as const, repetition_type: 'REQUIRED' as const },
    { name: 'tags', repetition_type: 'REQUIRED' as const, converted_type: 'LIST' as const, num_children: 1 },
    { name: 'list', repetition_type: 'REPEATED' as const, num_children: 1 },
    { name: 'element', type: 'INT32' as const, repetition_type: 'REQUIRED' as const },
  ];
  const bytes = written(
    [
      { name: 'plain', data: [1, 2] },
      { name: 'tags', data: [[1, 2], [3]] },
    ],
    { schema },
  );
  const { records, problems } = await read(bytes);
  expect(records).toEqual([]);
  expect(problems).toEqual([expect.objectContaining({ kind: 'nested', detail: expect.stringContaining('tags is a list') as string })]);
});

test('bytes that are no text are refused with what to do', async () => {
  const { problems } = await read(written([{ name: 'raw', data: [new Uint8Array([0xff, 0xfe, 0x00])], type: 'BYTE_ARRAY' as BasicType }]));
  expect(problems).toEqual([expect.objectContaining({ kind: 'format', at: 'row group 1', detail: expect.stringContaining('no text') as string })]);
});

test('a file that was cut off, an encrypted one, one of something else and an empty one are problems, not crashes', async () => {
  const whole = written([{ name: 'x', data: [1, 2, 3], type: 'INT32' }]);
  const details = async (bytes: Uint8Array): Promise<string> => (await read(bytes)).problems.map(({ detail }) => detail).join('; ');
  expect(await details(whole.subarray(0, whole.length - 9))).toContain('cut off');
  expect(await details(new TextEncoder().encode('a,b\n1,2\n3,4\n5,6'))).toContain('no Parquet file');
  expect(await details(new Uint8Array())).toContain('too short');
  const encrypted = whole.slice();
  encrypted.set(new TextEncoder().encode('PARE'), encrypted.length - 4);
  expect(await details(encrypted)).toContain('encrypted');
  expect(await details(written([{ name: 'x', data: [], type: 'INT32' }]))).toContain('no rows');
});

test('damage anywhere gives other cells or one problem, never a crash or a flood', async () => {
  const rows = 300;
  const whole = written(encoded, { rowGroupSize: 100 });
  expect(parquetMetadata(whole.buffer as ArrayBuffer).row_groups).toHaveLength(3);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }), async (changes) => {
      const bytes = whole.slice();
      for (const [at, value] of changes) bytes[at] = value;
      const { records, problems } = await read(bytes);
      expect(records.length).toBeLessThanOrEqual(rows);
      expect(problems.length).toBeLessThanOrEqual(1);
      if (problems.length === 0) expect(records).toHaveLength(rows);
    }),
    { numRuns: 400 },
  );
});

test('a file whose sizes lie is refused before memory is reserved for them', async () => {
  const whole = written([{ name: 'x', data: Array.from({ length: 64 }, () => 'same'), type: 'STRING' }]);
  const metadata = parquetMetadata(whole.buffer as ArrayBuffer);
  const start = Number(metadata.row_groups[0]?.columns[0]?.meta_data?.dictionary_page_offset ?? 4n);
  // The header of the first page begins with its type and then its size once unpacked, as a varint.
  const lying = Buffer.concat([whole.subarray(0, start + 3), Buffer.from([0xfe, 0xff, 0xff, 0xff, 0x0f]), whole.subarray(start + 4)]);
  const { problems } = await read(lying);
  expect(problems).toEqual([expect.objectContaining({ kind: 'format' })]);
});

test('a Parquet file written elsewhere is read: what it says of itself is what comes out', async () => {
  const file = path.join(folder, 'round.parquet');
  await writeFile(file, written([{ name: 'x', data: new Float32Array([0.5, 1.25]), type: 'FLOAT' }], { codec: 'UNCOMPRESSED' }));
  expect((await readFile(file)).subarray(0, 4).toString()).toBe('PAR1');
  const found = await collectRecords(readParquet(file, { problems: noProblems() }));
  expect(found.records).toEqual([{ x: 0.5 }, { x: 1.25 }]);
});
