import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { seededRandom } from '@serin/inference/random';
import { checkPipeline } from '@serin/protocol/pipeline-file';
import type { PipelineFile } from '@serin/protocol/pipeline';

import { runPipeline, type PipelineHooks, type PipelineResult } from '../pipeline/run-pipeline.ts';
import { run as validate } from './validate.ts';

export const description = 'a pipeline of a table: each stage of the first run, a run that changes nothing, going on after a break; and validation at scale';

interface Report {
  readonly table: string[][];
  readonly figures: Record<string, number | string | boolean>;
}

/** Synthetic customers: numbers, categories, gaps, and a chance to leave that takes two columns together to tell. */
function writeCustomers(file: string, rows: number): Promise<void> {
  const random = seededRandom(1);
  const numbers = Array.from({ length: 14 }, (_, index) => `n${index}`);
  const lines = [`customer,plan,region,months,price,${numbers.join()},left`];
  for (let row = 0; row < rows; row += 1) {
    const [plan, region, months, price] = [random.integer(4), random.integer(12), random.integer(72), 10 + 90 * random.uniform()];
    const values = numbers.map(() => random.normal());
    const score = (months < 12 && price > 60 ? 2 : 0) + (plan === 0 ? 0.7 : 0) + 0.4 * (values[0] ?? 0) * (values[1] ?? 0) - 1.5;
    const cells = values.map((value) => (random.uniform() < 0.03 ? '' : value.toFixed(4)));
    lines.push(`c${row},p${plan},r${region},${months},${price.toFixed(2)},${cells.join()},${random.uniform() < 1 / (1 + Math.exp(-score)) ? 'yes' : 'no'}`);
  }
  return writeFile(file, `${lines.join('\n')}\n`);
}

const pipeline = (trees: number): PipelineFile =>
  checkPipeline({
    v: 1,
    name: 'bench',
    ingest: { files: ['customers.csv'], spec: { kind: 'table', label: 'left', id: 'customer' } },
    train: { kind: 'trees', trees, learningRate: 0.05, patience: 0 },
    evaluate: { slices: ['plan', 'region'] },
  });

interface Timed {
  readonly result: PipelineResult;
  readonly ms: number;
}

const executedOf = ({ report }: PipelineResult): number => report.stages.filter(({ state }) => state === 'done').length;

async function measurePipeline(folder: string, rows: number, trees: number): Promise<Report> {
  await writeCustomers(path.join(folder, 'customers.csv'), rows);
  const file = pipeline(trees);
  const run = async (cache: string, hooks: PipelineHooks = {}): Promise<Timed> => {
    const began = performance.now();
    const result = await runPipeline(
      { file, inputs: (name) => path.join(folder, name), cacheFolder: path.join(folder, cache), threads: 2, checkpointSeconds: 0.5 },
      hooks,
    );
    return { result, ms: performance.now() - began };
  };
  const first = await run('first');
  const unchanged: Timed[] = [];
  for (let repeat = 0; repeat < 5; repeat += 1) unchanged.push(await run('first'));
  const fastest = unchanged.toSorted((one, other) => one.ms - other.ms)[0] as Timed;
  const { broken, resumed } = await measureBreak(run, trees);
  const ofTrain = (one: Timed): number => one.result.report.stages.find(({ name }) => name === 'train')?.ms ?? 0;
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
  const figures = {
    rows,
    firstSeconds: first.ms / 1000,
    unchangedSeconds: fastest.ms / 1000,
    unchangedExecuted: Math.max(...unchanged.map(({ result }) => executedOf(result))),
    unchangedShare: fastest.ms / first.ms,
    brokenSeconds: broken / 1000,
    resumedSeconds: resumed.ms / 1000,
    resumeOverheadShare: (broken + resumed.ms) / first.ms - 1,
    resumedSameWeights: resumed.result.report.weightDigest === first.result.report.weightDigest,
  };
  return {
    table: [
      ['stage', 'first run', 'words'],
      ...first.result.report.stages.map(({ name, state, ms, words }) => [name, state === 'skipped' ? 'skipped' : seconds(ms ?? 0), words.slice(0, 90)]),
      ['all', seconds(first.ms), `${rows.toLocaleString('en')} rows, ${trees} trees, 2 threads`],
      ['unchanged', seconds(fastest.ms), `${figures.unchangedExecuted} stages executed; best of ${unchanged.length}`],
      ['broken off', seconds(broken), `in the middle of training, which took ${seconds(ofTrain(first))} undisturbed`],
      [
        'gone on',
        seconds(resumed.ms),
        `${figures.resumedSameWeights ? 'the same weights' : 'OTHER WEIGHTS'}; both together took ${(100 * figures.resumeOverheadShare).toFixed(1)} % more than without the break`,
      ],
    ],
    figures,
  };
}

/** Stops a run half way through its training, and runs it again. */
async function measureBreak(run: (cache: string, hooks?: PipelineHooks) => Promise<Timed>, trees: number): Promise<{ broken: number; resumed: Timed }> {
  const stop = new AbortController();
  const began = performance.now();
  const onSeries: PipelineHooks['onSeries'] = (_, points) => {
    if ((points.at(-1)?.[0] ?? 0) >= trees / 2) stop.abort();
  };
  await run('second', { signal: stop.signal, onSeries }).then(
    () => Promise.reject(new Error('the run was not stopped')),
    (error: unknown) => {
      if (!stop.signal.aborted) throw error;
    },
  );
  const broken = performance.now() - began;
  return { broken, resumed: await run('second') };
}

export async function run(options: { quick: boolean }): Promise<Report> {
  const folder = await mkdtemp(path.join(tmpdir(), 'serin-bench-'));
  try {
    const own = await measurePipeline(folder, options.quick ? 8000 : 40_000, options.quick ? 60 : 300);
    const validated = await validate(options);
    return { table: [...own.table, ['', '', ''], ...validated.table], figures: { ...own.figures, ...prefixed(validated.figures) } };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const prefixed = (figures: Report['figures']): Report['figures'] =>
  Object.fromEntries(Object.entries(figures).map(([name, value]) => [`validate.${name}`, value]));
