import { valueOn } from '../evaluate/measure.ts';
import { judgeInLights } from '../examples/bin-picking/figures.ts';
import { learn, usualCourse } from '../examples/bin-picking/learn.ts';
import { createNetwork } from '../examples/bin-picking/network.ts';
import { loadDigits } from '../examples/digits/data.ts';
import { judgeDigits, trainDigits, usualEpochs } from '../examples/digits/train.ts';
import type { Model } from '../onnx/graph.ts';
import { weightDigest } from '../train/weights.ts';

export const description = 'trains digits and bin-picking from scratch and judges them on what they have not learnt: other digits, other scenes, other lights';

const threads = 2;
const seed = 1;
/** What the figures of a light are called; the held-out lights are what the example is measured by. */
const measuredIn = 'lights not learnt';

interface Part {
  readonly table: string[][];
  readonly figures: Record<string, number | boolean | string>;
}

export async function run({ quick }: { quick: boolean }): Promise<Part> {
  const digits = await measureDigits(quick);
  const bins = await measureBins(quick);
  const repeated = await measureRepetition();
  return { table: [...digits.table, [], ...bins.table, [], ...repeated.table], figures: { ...digits.figures, ...bins.figures, ...repeated.figures } };
}

const digitsOf = (epochs: number, count: number): Promise<{ model: Model }> => {
  const source = { module: new URL('../examples/digits/source.js', import.meta.url), settings: {} };
  return trainDigits({ source, seed, epochs, threads: count });
};

async function timed<Result>(work: () => Promise<Result>): Promise<{ result: Result; seconds: number; processorSeconds: number }> {
  const [began, spent] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(spent);
  return { result, seconds: (performance.now() - began) / 1000, processorSeconds: (user + system) / 1e6 };
}

const spentWords = ({ seconds, processorSeconds }: { seconds: number; processorSeconds: number }): string =>
  `${seconds.toFixed(0)} s of the clock, ${processorSeconds.toFixed(0)} s of processors, data included`;

async function measureDigits(quick: boolean): Promise<Part> {
  const epochs = quick ? 3 : usualEpochs;
  const run = await timed(() => digitsOf(epochs, threads));
  const { test } = await loadDigits();
  const judged = await judgeDigits(run.result.model, test, threads);
  const [accuracy, ece] = [valueOn(judged, 'accuracy'), valueOn(judged, 'ece')];
  return {
    table: [
      ['digits', `${epochs} epochs, ${test.count} other digits`],
      ['right', `${(100 * accuracy).toFixed(2)} %`],
      ['confidence off by', `${(100 * ece).toFixed(1)} points`],
      ['trained in', spentWords(run)],
    ],
    figures: { digitsAccuracy: accuracy, digitsSeconds: run.seconds, digitsProcessorSeconds: run.processorSeconds },
  };
}

const binsOf = (rendered: number, epochs: number, count: number): Promise<Model> =>
  learn({ model: createNetwork(seed), fresh: true, data: { rendered, light: 'any' }, epochs, seed, threads: count });

async function measureBins(quick: boolean): Promise<Part> {
  const epochs = quick ? 2 : usualCourse.epochs;
  const run = await timed(() => binsOf(usualCourse.rendered, epochs, threads));
  const judged = await judgeInLights(run.result, quick ? 100 : 400, threads);
  const table = [['bin-picking', 'mAP@.5', 'centre px', 'p90', 'angle deg', 'p90', 'frames right']];
  const figures: Record<string, number> = { binSeconds: run.seconds, binProcessorSeconds: run.processorSeconds };
  for (const { form, light, evaluation } of judged.figures) {
    const { map50, centreError, angleError, rightShare } = evaluation;
    const numbers = [map50, centreError.median, centreError.p90, angleError.median, angleError.p90, rightShare];
    table.push([`${form}, ${light}`, ...numbers.map((value) => value.toFixed(3))]);
    if (light !== measuredIn) continue;
    const names = ['Map50', 'CentrePx', 'CentrePxP90', 'AngleDeg', 'AngleDegP90', 'FramesRight'];
    names.forEach((name, index) => (figures[`bin${name}${form === 'float' ? '' : 'Int8'}`] = numbers[index] ?? Number.NaN));
  }
  table.push(['trained in', spentWords(run)]);
  return { table, figures };
}

/** Short runs of both, with one thread and with two. */
async function measureRepetition(): Promise<Part> {
  const digest = async (train: (count: number) => Promise<Model>): Promise<readonly [string, string]> => [
    await weightDigest(await train(1)),
    await weightDigest(await train(2)),
  ];
  const [digitsOne, digitsTwo] = await digest(async (count) => (await digitsOf(1, count)).model);
  const [binsOne, binsTwo] = await digest((count) => binsOf(480, 1, count));
  const row = (name: string, one: string, two: string): string[] => [
    `${name}: weights with 1 thread and with 2`,
    one === two ? 'the same' : 'NOT the same',
    one.slice(0, 12),
  ];
  return {
    table: [row('digits', digitsOne, digitsTwo), row('bin-picking', binsOne, binsTwo)],
    figures: { digitsWeightsSame: digitsOne === digitsTwo, binWeightsSame: binsOne === binsTwo },
  };
}
