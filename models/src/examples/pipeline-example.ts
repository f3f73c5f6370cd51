import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { checkPipeline, pipelineSchemaText } from '@serin/protocol/pipeline-file';
import type { Estimate, RunStage, SliceReport } from '@serin/protocol/api/runs';
import type { PipelineInput } from '@serin/protocol/pipeline';

import type { PipelineReport, PipelineResult } from '../pipeline/request.ts';
import { runPipeline } from '../pipeline/run-pipeline.ts';
import { readExampleFlags, type ExampleContext } from './command.ts';
import { reasonLines } from './reasons.ts';

export interface PipelineExample {
  readonly pipeline: Omit<PipelineInput, 'name'> & { readonly name: string };
  /** Rows that are drawn unless said otherwise; a real data set has none. */
  readonly rows?: number;
  /** Brings the data into the folder, and says what it is. */
  readonly bring: (folder: string, wanted: { readonly rows: number; readonly seed: number }) => Promise<string>;
}

/** Writes data and pipeline beside each other, runs the pipeline and tells what came out. */
export async function runPipelineExample(example: PipelineExample, args: readonly string[], { say, signal }: ExampleContext): Promise<PipelineResult> {
  const flags = readExampleFlags(args, {
    seed: { usual: 1, least: 0, most: 999_999_999 },
    threads: { usual: 2, least: 1, most: 256 },
    ...(example.rows === undefined ? {} : { rows: { usual: example.rows, least: 200, most: 5_000_000 } }),
    folder: 'text',
  });
  const folder = path.resolve(flags.text('folder') ?? path.join('.serin', 'examples', example.pipeline.name));
  await mkdir(folder, { recursive: true });
  say(await example.bring(folder, { rows: example.rows === undefined ? 0 : flags.number('rows'), seed: flags.number('seed') }));
  const declared = { $schema: 'pipeline.schema.json', ...example.pipeline, seed: flags.number('seed') };
  await writeFile(path.join(folder, 'pipeline.json'), `${JSON.stringify(declared, undefined, 2)}\n`);
  await writeFile(path.join(folder, 'pipeline.schema.json'), pipelineSchemaText());
  const result = await runPipeline(
    {
      file: checkPipeline(declared),
      inputs: (name) => path.resolve(folder, name),
      cacheFolder: path.join(folder, '.cache'),
      threads: flags.number('threads'),
    },
    { signal, onNote: say, onStage: (stage) => sayStage(stage, say) },
  );
  for (const line of reportLines(result.report)) say(line);
  const { positive, ingest } = example.pipeline;
  if (result.version !== undefined && positive !== undefined && 'files' in ingest) {
    for (const line of await reasonLines(result.version, path.join(folder, ingest.files[0] ?? ''), positive)) say(line);
  }
  say(`\n${path.join(folder, 'pipeline.json')} runs on a server by: npm run serin -- pipeline run ${path.join(folder, 'pipeline.json')}`);
  return result;
}

function sayStage({ name, state, ms, words }: RunStage, say: (line: string) => void): void {
  if (state === 'waiting' || state === 'running') return;
  const took = state === 'cached' ? 'unchanged' : state === 'skipped' ? 'skipped' : `${((ms ?? 0) / 1000).toFixed(2)} s`;
  say(`${name.padEnd(9)} ${took.padStart(9)}  ${words}`);
}

const figure = (value: number | undefined): string => (value === undefined ? '-' : Math.abs(value) >= 1000 ? value.toFixed(0) : value.toFixed(4));
const span = ({ low, high }: Estimate): string => `${figure(low)} to ${figure(high)}`;

/** What a reader wants to know of a run, in some dozen lines. */
export function reportLines({ metrics, baseline, intervals, slices, importance, gate, assumptions }: PipelineReport): string[] {
  const table = Object.entries(metrics).map(([name, value]) => {
    const interval = intervals[name];
    return `  ${name.padEnd(18)}${figure(value).padStart(9)}  ${(interval === undefined ? '' : span(interval)).padEnd(20)}${figure(baseline?.metrics[name]).padStart(9)}`;
  });
  return [
    '',
    `  ${'on the test part'.padEnd(18)}${'model'.padStart(9)}  ${'95 % interval'.padEnd(20)}${(baseline?.name ?? '').padStart(9)}`,
    ...table,
    ...(importance === null ? [] : ['', `  what the answers rest on (${importance.method})`, ...bars(importance.columns.slice(0, 8))]),
    ...(slices.length === 0 ? [] : ['', ...sliceLines(slices)]),
    ...(gate === null ? [] : ['', ...gate.checks.map(({ passed, words }) => `  ${passed ? 'passed' : 'FAILED'}  ${words}`)]),
    ...(assumptions.length === 0 ? [] : ['', ...assumptions.map((line) => `  assumed: ${line}`)]),
  ];
}

function bars(columns: readonly { readonly name: string; readonly value: number }[]): string[] {
  const most = Math.max(...columns.map(({ value }) => value), 1e-12);
  return columns.map(({ name, value }) => `  ${name.padEnd(24)}${'#'.repeat(Math.round((30 * value) / most)).padEnd(30)} ${figure(value)}`);
}

function sliceLines(slices: readonly SliceReport[]): string[] {
  const head = `  ${'slice'.padEnd(34)}${'rows'.padStart(6)}${'in truth'.padStart(10)}${'answered'.padStart(10)}${'metric'.padStart(9)}  difference to the others`;
  const share = (value: number | null | undefined): string => (value === null || value === undefined ? '-' : `${(100 * value).toFixed(1)} %`);
  return [
    head,
    ...slices.map(
      ({ column, value, count, positives, answered, metric, difference }) =>
        `  ${`${column} = ${value}`.slice(0, 33).padEnd(34)}${String(count).padStart(6)}${share(positives).padStart(10)}${share(answered?.value).padStart(10)}` +
        `${figure(metric.value).padStart(9)}  ${difference.value < 0 ? '' : '+'}${figure(difference.value)} (${span(difference)})`,
    ),
  ];
}
