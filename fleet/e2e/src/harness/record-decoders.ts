import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { seededRandom } from '@serin/inference/random';
import { recordPreparer, type DataRecord } from '@serin/inference/records';
import { decodeTrees, encodeTrees } from '@serin/inference/trees/encode';
import { createExplainer, explainRow } from '@serin/inference/trees/explain';
import { predictTrees, rowMajor } from '@serin/inference/trees/predict';
import { randomEnsemble } from '@serin/inference/trees/testing/random-ensemble';
import { noProblems } from '@serin/models/data/problems';
import { parseSchema } from '@serin/models/data/quality/schema';
import { openRecords, type RecordFormat } from '@serin/models/data/records/open';
import { decodeManifest, encodeManifest, type Manifest } from '@serin/models/datasets/manifest';
import { preprocessing as preprocessingSchema, type Preprocessing } from '@serin/protocol/bundle/preprocessing';
import { datasetName, type DataSpec } from '@serin/protocol/api/datasets';
import { digest } from '@serin/protocol/ids';
import { readPipeline } from '@serin/protocol/pipeline-file';
import { pipelineTemplates, pipelineTemplateText, type PipelineTemplateName } from '@serin/protocol/pipeline-templates';
import { churnFile, churnRecords, postFile } from './records.ts';

export interface Decoder {
  name: string;
  /** Valid encodings to start from. */
  samples: Uint8Array[];
  /** Accepts or throws a SerinError; anything else is a finding. */
  decode(bytes: Uint8Array): unknown;
  /** Of the inputs that others get: less where each is a file on the disk. */
  share?: number;
}

const utf8 = new TextEncoder();
const text = new TextDecoder();
const json = (value: unknown): Uint8Array => utf8.encode(JSON.stringify(value));

const tables: Preprocessing = {
  v: 1,
  kind: 'table',
  columns: [
    { kind: 'number', name: 'tenure_months' },
    { kind: 'category', name: 'plan', levels: ['basic', 'plus', 'pro'] },
    { kind: 'number', name: '__proto__' },
  ],
};
const buckets: Preprocessing = {
  v: 1,
  kind: 'text',
  fields: [{ name: 'subject', prefix: 'subject' }, { name: 'text' }],
  unitsMax: 4000,
  wordsMax: 500,
  output: { kind: 'buckets', bits: 12, words: 2, letters: { from: 2, to: 4 }, weighting: 'log' },
};
const tokens: Preprocessing = { ...buckets, output: { kind: 'tokens', bits: 10, length: 64 } };

/** Undefined for what is not JSON. */
function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(text.decode(bytes));
  } catch {
    return undefined;
  }
}

const record = { tenure_months: 12, plan: 'pro', subject: 'Fire!', text: 'Fire at the old mill, two workers trapped: http://t.example/1 ?!' };

function ofDevices(): Decoder[] {
  const preparers = [tables, buckets, tokens].map(recordPreparer);
  return [
    {
      name: 'preprocessing',
      samples: [tables, buckets, tokens].map(json),
      decode: (bytes) => {
        const parsed = preprocessingSchema.safeParse(parse(bytes));
        if (parsed.success) recordPreparer(parsed.data)(record);
      },
    },
    {
      name: 'record',
      samples: [record, { text: 'é'.repeat(200) }, ...churnRecords(10, 1)].map(json),
      decode: (bytes) => {
        const content = parse(bytes);
        if (typeof content !== 'object' || content === null || Array.isArray(content)) return;
        const refusals: unknown[] = [];
        for (const prepare of preparers) {
          try {
            prepare(content as DataRecord);
          } catch (error) {
            refusals.push(error);
          }
        }
        for (const refusal of refusals) throw refusal;
      },
    },
    { name: 'trees', samples: [sampleTrees('logistic', 1), sampleTrees('softmax', 3), sampleTrees('identity', 1)], decode: useTrees },
  ];
}

const sampleTrees = (link: 'identity' | 'logistic' | 'softmax', outputs: number): Uint8Array =>
  encodeTrees(randomEnsemble(seededRandom(link), { link, outputs, levels: [0, 3, 0, 70], trees: 4, leavesMax: 9 }));

/** What was accepted must also answer and explain. */
function useTrees(bytes: Uint8Array): void {
  const trees = decodeTrees(bytes);
  const row = Float32Array.from({ length: trees.levels.length }, (_, place) => (place % 3 === 0 ? Number.NaN : place));
  predictTrees(trees, rowMajor(row, row.length), 1);
  explainRow(createExplainer(trees), rowMajor(row, row.length), 0, new Float64Array(row.length * trees.base.length));
}

const spec: DataSpec = { kind: 'table', label: 'churned', id: 'customer' };

function sampleManifest(files: number): Manifest {
  const entries = Array.from({ length: files }, (_, index) => ({
    path: `part-${String(index).padStart(3, '0')}.csv`,
    sha256: digest.parse(index.toString(16).padStart(64, 'a')),
    bytes: 1000 + index,
    rows: 10 * index,
  }));
  return {
    dataset: datasetName.parse('churn'),
    version: 2,
    parent: 1,
    createdAt: 1_700_000_000_000,
    spec,
    shares: { validation: 0.1, test: 0.2 },
    note: 'é',
    entries,
  };
}

const encoded = (manifest: Manifest): Uint8Array => utf8.encode([...encodeManifest(manifest)].join(''));

const tableSchemaText = JSON.stringify({
  v: 1,
  columns: [
    { name: 'churned', type: 'category', role: 'label', levels: ['no', 'yes'] },
    { name: 'age', type: 'integer', role: 'feature', min: 0, max: 120, missingMax: 0.1 },
    { name: 'code', type: 'category', role: 'feature', pattern: '^[a-z]{2,4}$' },
  ],
});

function ofServers(): Decoder[] {
  return [
    {
      name: 'dataset manifest',
      samples: [0, 1, 12].map((files) => encoded(sampleManifest(files))),
      decode: async (bytes) => {
        const first = encoded(await decodeManifest([bytes.subarray(0, 100), bytes.subarray(100)]));
        if (Buffer.compare(first, encoded(await decodeManifest([first]))) !== 0) throw new Error('decoded, encoded and decoded again it is something else');
      },
    },
    {
      name: 'pipeline file',
      samples: (Object.keys(pipelineTemplates) as PipelineTemplateName[]).map((name) => utf8.encode(pipelineTemplateText(name, './pipeline.schema.json'))),
      decode: (bytes) => readPipeline(text.decode(bytes)),
    },
    { name: 'table schema', samples: [utf8.encode(tableSchemaText)], decode: (bytes) => parseSchema(text.decode(bytes)) },
  ];
}

/** Three rows of an integer, a double, a string and a boolean with gaps: packed with snappy and with statistics, and neither. */
const parquetFiles = [
  'UEFSMRUGFRwVIFwVBhUAFQYVABUEFQAAAAMHDCwBAAAAAgAAAAMAAAAVBhUkFSRcFQYVAhUGFQAVBBUAAAADBRAAAAUBJPg/AAAAAAAAAMAVBhUmFSpcFQYVAhUGFQAVBBUAAAADAxFABQAAAGJhc2ljBAAAAHBsdXMVBhUGFQpcFQYVAhUGFQAVBBUAAAADAwEAARUEGVxIBHJvb3QVCAAVAiUCGAJpZAAVCiUCGANmZWUAFQwlAhgEcGxhbiUAABUAJQIYAm9rABYGGRwZTCYIHBUCGRUAGRgCaWQVAhYGFkYWSiYIPDYAKAQDAAAAGAQBAAAAABkcFQYVABUCAAAAJlIcFQoZFQAZGANmZWUVAhYGFk4WTiZSPDYCKAgAAAAAAAD4PxgIAAAAAAAAAMA2AAAZHBUGFQAVAgAAACagARwVDBkVABkYBHBsYW4VAhYGFlAWVCagATw2AigEcGx1cxgFYmFzaWMAGRwVBhUAFQIAAAAm9AEcFQAZFQAZGAJvaxUCFgYWMBY0JvQBPDYCKAEBGAEAABkcFQYVABUCAAAAFpQCFgY2oAIAKAloeXBhcnF1ZXQZTBwAABwAABwAABwAAAAzAQAAUEFSMQ==',
  'UEFSMRUGFRwVHFwVBhUAFQYVABUEFQAAAAMHAQAAAAIAAAADAAAAFQYVJBUkXBUGFQIVBhUAFQQVAAAAAwUAAAAAAAD4PwAAAAAAAADAFQYVJhUmXBUGFQIVBhUAFQQVAAAAAwMFAAAAYmFzaWMEAAAAcGx1cxUGFQYVBlwVBhUCFQYVABUEFQAAAAMDARUEGVxIBHJvb3QVCAAVAiUCGAJpZAAVCiUCGANmZWUAFQwlAhgEcGxhbiUAABUAJQIYAm9rABYGGRwZTCYIHBUCGRUAGRgCaWQVABYGFkYWRiYIAAAmThwVChkVABkYA2ZlZRUAFgYWThZOJk4AACacARwVDBkVABkYBHBsYW4VABYGFlAWUCacAQAAJuwBHBUAGRUAGRgCb2sVABYGFjAWMCbsAQAAFpQCFgY2lAIAKAloeXBhcnF1ZXQZTBwAABwAABwAABwAAADKAAAAUEFSMQ==',
].map((content) => Uint8Array.from(Buffer.from(content, 'base64')));

const rowsMax = 100_000;

/** Readers put what is wrong with a file among its problems; nothing of a file, however broken, is thrown. */
function ofFiles(folder: string): Decoder[] {
  const csv = [churnFile(30), postFile(30), 'a;b\n"1\n2";3\n'].map((content) => utf8.encode(content));
  const jsonl = [[...churnRecords(20, 3)], [{ a: { b: 1 } }, { a: [1e300, null] }]].map((rows) =>
    utf8.encode(`${rows.map((row) => JSON.stringify(row)).join('\n')}\n`),
  );
  const packed = (samples: readonly Uint8Array[]): Uint8Array[] => [...samples, Uint8Array.from(gzipSync(samples[0] ?? new Uint8Array()))];
  const reader = (format: RecordFormat, samples: Uint8Array[]): Decoder => ({
    name: `file of ${format}`,
    samples,
    share: 0.1,
    async decode(bytes) {
      const file = path.join(folder, `input.${format}`);
      writeFileSync(file, bytes);
      const problems = noProblems();
      let rows = 0;
      for await (const batch of openRecords([file], { problems, format })) {
        rows += batch.rows;
        if (batch.columns.length !== batch.names.length || batch.columns.some((column) => column.length !== batch.rows))
          throw new Error('a batch whose columns are not as long as it says');
      }
      if (rows > rowsMax) throw new Error(`${rows} rows of ${bytes.length} bytes`);
    },
  });
  return [reader('csv', packed(csv)), reader('jsonl', packed(jsonl)), reader('parquet', parquetFiles), reader('lines', packed(csv))];
}

/** Everything a record meets on its way, from the file it came in to the device that answers it. */
export function openRecordDecoders(): { decoders: Decoder[]; close(): void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'serin-decoders-'));
  return { decoders: [...ofDevices(), ...ofServers(), ...ofFiles(folder)], close: () => rmSync(folder, { recursive: true, force: true }) };
}
