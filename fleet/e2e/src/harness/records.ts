import { createHash } from 'node:crypto';
import { seededRandom } from '@serin/inference/random';
import { columns, customers } from '@serin/models/examples/churn/data';
import { drawPosts, postClasses, postColumns } from '@serin/models/examples/posts/data';
import type { InputFile } from '@serin/protocol/api/datasets';
import type { RunDetail } from '@serin/protocol/api/runs';
import { manifest, type BundleFile, type Manifest } from '@serin/protocol/bundle/manifest';
import { digest, modelName, versionNumber, type ModelName } from '@serin/protocol/ids';
import { pipelineFile, type PipelineInput } from '@serin/protocol/pipeline';
import type { Stack } from './stack.ts';

export type Cell = string | number | undefined;
export type CsvRow = readonly Cell[];

const cellText = (cell: Cell): string => (cell === undefined ? '' : /[",\n]/.test(String(cell)) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell));
export const csv = (names: readonly string[], rows: Iterable<CsvRow>): string =>
  [names, ...rows].map((row) => `${row.map((cell) => cellText(cell)).join(',')}\n`).join('');

export const churn = modelName.parse('churn');
export const posts = modelName.parse('posts');

/** Small and quick: what is tested is the way, not the model. */
export const churnPipeline: PipelineInput = {
  v: 1,
  name: churn,
  ingest: { files: ['customers.csv'], spec: { kind: 'table', label: 'churned', id: 'customer' } },
  positive: 'yes',
  train: { kind: 'trees', trees: 40, leaves: 7 },
  evaluate: { repeats: 100 },
  gate: { limits: { auc: { min: 0.6 } }, beatBaseline: false },
};
export const churnFile = (rows: number, seed = 1): string => csv(columns, customers(rows, seed));

/** Customers as a program on a device has them: without their number and without the answer. */
export function* churnRecords(count: number, seed: number): Generator<Record<string, Cell>> {
  for (const row of customers(count, seed)) {
    const fields = columns.map((name, place) => [name, row[place]] as const);
    yield Object.fromEntries(fields.filter(([name, cell]) => name !== 'customer' && name !== 'churned' && cell !== undefined));
  }
}

export const wide = modelName.parse('wide');
const extraColumns = Array.from({ length: 31 }, (_, index) =>
  index % 3 === 0 ? `average_number_of_minutes_between_two_consecutive_logins_in_week_${index + 1}` : `Umsatz ${index + 1} (EUR)`,
);

/** The same customers with long names and more columns than a screen has room for: 40 that a model sees. */
export const widePipeline: PipelineInput = { ...churnPipeline, name: wide, train: { kind: 'trees', trees: 10, leaves: 7 } };
export function wideFile(rows: number, seed = 1): string {
  const random = seededRandom(`wide/${seed}`);
  const widened = [...customers(rows, seed)].map((row) => [...row, ...extraColumns.map(() => Number(random.between(0, 1000).toFixed(1)))]);
  return csv([...columns, ...extraColumns], widened);
}

export const postPipeline: PipelineInput = {
  v: 1,
  name: posts,
  ingest: { files: ['posts.csv'], spec: { kind: 'text', label: 'target', id: 'id', text: ['text'], ignore: ['keyword', 'location'] } },
  train: { kind: 'text-linear', wordGrams: 1, bucketBits: 12 },
  evaluate: { repeats: 100 },
  gate: { limits: { accuracy: { min: 0.6 } }, beatBaseline: false },
};
export const postFile = (count: number): string =>
  csv(
    postColumns,
    drawPosts(count, 1).map(({ id, keyword, location, text, target }) => [id, keyword, location, text, postClasses[target]]),
  );

/** Pieces are smaller than need be, so that there are several. */
const pieceBytes = 32 * 1024;

async function send({ api }: Stack, bytes: Uint8Array, sha256: InputFile['sha256']): Promise<void> {
  let { received, complete } = await api('getUpload', { params: { sha256 } });
  while (!complete) {
    const raw = bytes.subarray(received, received + pieceBytes);
    ({ received, complete } = await api('sendUpload', { params: { sha256 }, query: { offset: String(received), total: String(bytes.length) }, raw }));
  }
}

/** Sends what the server lacks of the files, runs the pipeline to its end, and says what became of it. */
export async function makeVersion(stack: Stack, declared: PipelineInput, files: Readonly<Record<string, string>>): Promise<RunDetail> {
  const { api, feed } = stack;
  const contents = Object.entries(files).map(([path, text]) => {
    const bytes = new TextEncoder().encode(text);
    return { bytes, input: { path, sha256: digest.parse(createHash('sha256').update(bytes).digest('hex')), bytes: bytes.length } };
  });
  const body = { file: pipelineFile.parse(declared), inputs: contents.map(({ input }) => input) };
  const asked = await api('runPipeline', { body });
  for (const { bytes, input } of contents) if (asked.missing.includes(input.sha256)) await send(stack, bytes, input.sha256);
  const { run, job } = asked.run === null ? await api('runPipeline', { body }) : asked;
  const id = run?.id ?? '';
  const ended = await feed.until(
    `the pipeline ${declared.name} ends`,
    async () => {
      const [detail, of] = [await api('getRun', { params: { id } }), await api('getJob', { params: { id: job?.id ?? '' } })];
      return detail.status === 'RUNNING' || of.finishedAt === null ? undefined : detail;
    },
    120_000,
  );
  if (ended.status !== 'SUCCEEDED') throw new Error(`${declared.name}: ${JSON.stringify([ended.error, ended.gate?.checks.filter(({ passed }) => !passed)])}`);
  return ended;
}

/** To every device at once; until it has ended well, which makes it the version of pages too. */
export async function rollOut({ api, feed }: Stack, model: ModelName, version: number): Promise<void> {
  const { id } = await api('startRollout', { body: { model, version: versionNumber.parse(version), strategy: 'all-at-once' } });
  const ended = await feed.until(`${model} is rolled out`, async () => {
    const rollout = await api('getRollout', { params: { id } });
    return rollout.finishedAt === null ? undefined : rollout;
  });
  if (ended.status !== 'COMPLETED') throw new Error(`${model}: ${ended.status} ${JSON.stringify(ended)}`);
}

/** The bundle in service, as a page fetches it. */
export async function fetchBundle(stack: Stack, model: ModelName): Promise<{ content: Manifest; read(role: BundleFile['role']): Promise<Uint8Array> }> {
  const { httpUrl, adminToken } = stack.server().ready;
  const content = manifest.parse(JSON.parse((await stack.api('getWebChannel', { params: { name: model } })).manifest.payload));
  return {
    content,
    async read(role) {
      const file = content.files.find((one) => one.role === role);
      const response = await fetch(`${httpUrl}/blobs/${file?.sha256}`, { headers: { authorization: `Bearer ${adminToken}` } });
      if (!response.ok) throw new Error(`${role} of ${model}: HTTP ${response.status}`);
      return new Uint8Array(await response.arrayBuffer());
    },
  };
}

export interface PredictReply {
  prediction: string | number;
  confidence: number;
  probabilities: number[];
  model: string;
  version: number;
  reasons?: { name: string; given?: string; contribution: number }[];
}

/** As a program on the device asks. */
export async function ask(port: number, path: string, record: unknown): Promise<PredictReply> {
  const response = await post(port, path, JSON.stringify(record));
  if (response.status !== 200) throw new Error(`HTTP ${response.status}: ${JSON.stringify(response.body)}`);
  return response.body as PredictReply;
}

export async function post(
  port: number,
  path: string,
  body: string,
  headers: Record<string, string> = { 'content-type': 'application/json' },
): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`http://127.0.0.1:${port}/predict/${path}`, { method: 'POST', headers, body });
  return { status: response.status, body: await response.json() };
}
