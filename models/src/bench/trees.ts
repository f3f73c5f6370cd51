import { availableParallelism } from 'node:os';

import { createExplainer, explainRow } from '@serin/inference/trees/explain';
import { columnMajor, marginsOf, predictTrees } from '@serin/inference/trees/predict';
import type { TreeEnsemble } from '@serin/inference/trees/ensemble';

import { auc, everyRow } from '../evaluate/ranking.ts';
import type { Tensor } from '../onnx/graph.ts';
import { runModel } from '../onnx/session.ts';
import { boost } from '../trees/boost.ts';
import { alone } from '../trees/crew.ts';
import { exportTrees } from '../trees/export-trees.ts';
import type { FeatureMatrix } from '../trees/feature-matrix.ts';
import { prepareJob } from '../trees/prepared-job.ts';
import { trainTrees, type TrainedTrees } from '../trees/train-trees.ts';
import { syntheticRows, type SyntheticRows } from './trees/data.ts';
import { openLightgbm, type Peer } from './trees/lightgbm.ts';
import { phasesOf } from './trees/phases.ts';

export const description = 'boosted trees on synthetic rows: time, what limits it, the exported graph, explanations, and with --peer LightGBM';

interface Report {
  readonly table: string[][];
  readonly figures: Record<string, number | string | boolean>;
}

const options = { trees: 100, leavesMax: 31, rate: 0.1, binsMax: 255, leafRowsMin: 20 } as const;
const threadsMost = 2;

const trainOn = ({ features, labels }: SyntheticRows, threads: number): Promise<TrainedTrees> =>
  trainTrees({ features, labels, objective: { kind: 'binary' }, options, seed: 1, threads });

async function timeOf<Result>(work: () => Promise<Result>): Promise<{ ms: number; result: Result }> {
  const begun = performance.now();
  const result = await work();
  return { ms: performance.now() - begun, result };
}

/** Additions to histograms that growing these trees asks for: each row of a root and of the smaller of two leaves, a feature each. */
function additionsOf({ roots, feature, right, cover, levels }: TreeEnsemble): number {
  let rows = 0;
  for (const root of roots.subarray(0, -1)) rows += cover[root] as number;
  feature.forEach((asked, node) => {
    if (asked >= 0) rows += Math.min(cover[node + 1] as number, cover[right[node] as number] as number);
  });
  return rows * levels.length;
}

/** Nanoseconds in which a core adds to a number in memory at best: in order, in its first cache, nothing looked up. */
function additionNs(): number {
  const sums = new Float64Array(2048);
  let best = Infinity;
  for (let round = 0; round < 200; round += 1) {
    const begun = performance.now();
    for (let times = 0; times < 50; times += 1) addOnce(sums, round);
    best = Math.min(best, performance.now() - begun);
  }
  return (best * 1e6) / (50 * sums.length);
}

function addOnce(sums: Float64Array, value: number): void {
  for (let at = 0; at < sums.length; at += 1) sums[at] = (sums[at] as number) + value;
}

/** The largest difference of any probability between the runtime and our own predictions. */
async function differenceOf(trees: TreeEnsemble, { rows, columns, values }: FeatureMatrix): Promise<number> {
  const across = new Float32Array(values.length);
  values.forEach((value, at) => (across[(at % rows) * columns.length + Math.floor(at / rows)] = value));
  const answers = await runModel(exportTrees(trees), new Map([['features', { type: 'float32', dims: [rows, columns.length], data: across }]]));
  const expected = predictTrees(trees, columnMajor(values, rows), rows);
  const { data } = answers.get('probabilities') as Tensor;
  return (data as Float32Array).reduce((worst, found, at) => Math.max(worst, Math.abs(found - (expected[at] as number))), 0);
}

function explainAll(trees: TreeEnsemble, { rows, columns, values }: FeatureMatrix, count: number): { usPerRow: number; apart: number } {
  const explainer = createExplainer(trees);
  const of = columnMajor(values, rows);
  const margins = marginsOf(trees, of, count);
  const into = new Float64Array(columns.length);
  let apart = 0;
  let fastest = Infinity;
  for (let round = 0; round < 5; round += 1) {
    const begun = performance.now();
    for (let row = 0; row < count; row += 1) {
      into.fill(0);
      explainRow(explainer, of, row, into);
      const sum = into.reduce((total, each) => total + each, explainer.expected[0] as number);
      apart = Math.max(apart, Math.abs(sum - (margins[row] as number)));
    }
    fastest = Math.min(fastest, performance.now() - begun);
  }
  return { usPerRow: (fastest * 1000) / count, apart };
}

const areaOf = (scores: ArrayLike<number>, { labels }: SyntheticRows): number => auc(scores, labels)(everyRow(labels.length));

interface Round {
  readonly ms: readonly number[];
  readonly peerMs: readonly number[];
}

/** Turn by turn, so that what else the machine does falls on all of them. */
async function race(train: SyntheticRows, rounds: number, peer: Peer | undefined): Promise<{ rounds: Round[]; digests: Set<string>; trained: TrainedTrees }> {
  const digests = new Set<string>();
  const found: Round[] = [];
  let trained: TrainedTrees | undefined;
  for (let round = 0; round < rounds; round += 1) {
    const [ms, peerMs]: [number[], number[]] = [[], []];
    for (let threads = 1; threads <= threadsMost; threads += 1) {
      const ours = await timeOf(() => trainOn(train, threads));
      ms.push(ours.ms);
      digests.add(ours.result.digest);
      trained = ours.result;
      if (peer !== undefined) peerMs.push(await peer.time(threads));
    }
    found.push({ ms, peerMs });
  }
  return { rounds: found, digests, trained: trained as TrainedTrees };
}

export async function run({ quick, peer: wantsPeer }: { quick: boolean; peer?: boolean }): Promise<Report> {
  const rows = 40_000;
  const [train, test] = [syntheticRows(rows, 'bench train'), syntheticRows(10_000, 'bench test')];
  const python = process.env['SERIN_PYTHON'] ?? 'python3';
  const peerOptions = { trees: options.trees, leaves: options.leavesMax, rate: options.rate, bins: options.binsMax, leafRows: options.leafRowsMin };
  const peer = wantsPeer === true ? await openLightgbm(python, train, test, peerOptions) : undefined;
  const { rounds, digests, trained } = await race(train, quick ? 4 : 12, peer);
  const least = (of: (round: Round) => number | undefined): number => Math.min(...rounds.map((round) => of(round) ?? Number.NaN));
  const [one, two] = [least(({ ms }) => ms[0]), least(({ ms }) => ms[1])];
  const [peerOne, peerTwo] = [least(({ peerMs }) => peerMs[0]), least(({ peerMs }) => peerMs[1])];

  const job = prepareJob({ ...train, objective: { kind: 'binary' }, options, seed: 1 }, 1);
  const phases = await phasesOf(() => {
    for (const step of boost(job, alone)) if (step.end !== undefined) break;
  });
  const { ensemble } = trained;
  const ourAuc = areaOf(marginsOf(ensemble, columnMajor(test.features.values, 10_000), 10_000), test);
  const peerAuc = peer === undefined ? Number.NaN : areaOf(await peer.scores(), test);
  await peer?.close();
  const limitMs = (additionsOf(ensemble) * additionNs()) / 1e6 / threadsMost;
  const { usPerRow, apart } = explainAll(ensemble, test.features, quick ? 300 : 2000);
  const difference = await differenceOf(ensemble, test.features);
  const columns = train.features.columns.length;
  const speed = (rows * columns * options.trees) / (two / 1000);
  const round = (value: number, digits = 0): number => Math.round(value * 10 ** digits) / 10 ** digits;
  return {
    table: [
      [`synthetic: ${rows} rows, ${columns} features, ${options.trees} trees of ${options.leavesMax} leaves`, 'ms, least', ''],
      ['1 thread', String(round(one)), ''],
      ['2 threads', String(round(two)), `${round(one / two, 2)} times as fast`],
      ['first of the process: a thread starts and its code is compiled', String(round(rounds[0]?.ms[0] ?? Number.NaN)), ''],
      ...(peer === undefined
        ? []
        : [
            [`LightGBM ${peer.version}, 1 thread`, String(round(peerOne)), `ours takes ${round(one / peerOne, 2)} times as long`],
            [`LightGBM ${peer.version}, 2 threads`, String(round(peerTwo)), `ours takes ${round(two / peerTwo, 2)} times as long`],
          ]),
      ...(wantsPeer === true && peer === undefined ? [['LightGBM: the Python of SERIN_PYTHON has none', '', '']] : []),
      ['additions to histograms alone, at best, 2 threads', String(round(limitMs)), `ours takes ${round(two / limitMs, 1)} times as long`],
      ...phases.map(({ words, ms }) => [`  of one thread, warm: ${words}`, String(round(ms)), '']),
      ['rows x features x trees a second', speed.toExponential(2), ''],
      ['trees with 1 thread and with 2', digests.size === 1 ? 'the same' : 'DIFFERENT', trained.digest.slice(0, 12)],
      ['area under the curve, 10000 other rows', String(round(ourAuc, 4)), peer === undefined ? '' : `LightGBM ${round(peerAuc, 4)}`],
      ['probabilities of ONNX Runtime and ours apart, at most', difference.toExponential(1), ''],
      ['contributions and margin apart, at most', apart.toExponential(1), ''],
      ['explaining a row, microseconds', String(round(usPerRow)), ''],
    ],
    figures: {
      msOneThread: round(one),
      msTwoThreads: round(two),
      msFirst: round(rounds[0]?.ms[0] ?? Number.NaN),
      ...(peer === undefined
        ? {}
        : {
            lightgbm: peer.version,
            lightgbmMsOneThread: round(peerOne),
            lightgbmMsTwoThreads: round(peerTwo),
            timeOverLightgbmOneThread: round(one / peerOne, 2),
            timeOverLightgbmTwoThreads: round(two / peerTwo, 2),
            lightgbmAuc: round(peerAuc, 4),
            aucOverLightgbm: round(ourAuc - peerAuc, 4),
          }),
      auc: round(ourAuc, 4),
      limitMs: round(limitMs),
      cellsPerS: Math.round(speed),
      treesSameFor1And2Threads: digests.size === 1,
      digest: trained.digest,
      onnxApart: difference,
      contributionsApart: apart,
      explainUsPerRow: round(usPerRow, 1),
      processors: availableParallelism(),
    },
  };
}
