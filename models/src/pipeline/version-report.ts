import type { ColumnSummary } from '@serin/protocol/api/datasets';
import type { ParameterValue } from '@serin/protocol/api/runs';
import type { Report, ReportMetric } from '@serin/protocol/bundle/report';
import type { MetricName, PipelineFile } from '@serin/protocol/pipeline';

import type { GateVerdict } from '../evaluate/gate-check.ts';
import { kindOf } from '../evaluate/judged.ts';
import type { Robustness } from '../evaluate/measured.ts';
import { chanceError, errorOfBins } from '../evaluate/reliability.ts';
import { buildReport, costsOf, cut, variantReports } from '../report/build.ts';
import { readEnvironment } from '../runs/environment.ts';
import { flatParameters } from './engine-text.ts';
import type { MadeVariant } from '../package/make-variants.ts';
import type { DataFacts } from './part.ts';
import type { Plan, StageRecord } from './stage.ts';
import type { Evaluated, JudgedTest } from './stages/evaluate.ts';
import type { GateFound } from './stages/gate.ts';
import type { ModelFacts } from './stages/train.ts';

/** All that the stages of a pipeline have found out about a version. */
export interface VersionFacts {
  readonly plan: Plan;
  readonly task: Report['task'];
  readonly facts: DataFacts;
  /** Index of the class, or the value, of each record. */
  readonly labelsByPart: Readonly<Record<'train' | 'validation' | 'test', ArrayLike<number>>>;
  readonly columns: readonly ColumnSummary[];
  readonly trained: ModelFacts;
  /** Parameters of the trainer that a search has found. */
  readonly chosen: Readonly<Record<string, ParameterValue>>;
  readonly series: StageRecord['series'];
  readonly evaluated: Evaluated;
  readonly judged: JudgedTest;
  readonly found: GateFound;
  readonly made: readonly MadeVariant[];
  readonly robustness: Robustness | undefined;
  readonly verdict: GateVerdict;
  readonly threads: number;
}

export function reportOfVersion(given: VersionFacts): Report {
  const { plan, task, facts, evaluated, judged, found, made, robustness, verdict, threads } = given;
  const { name } = plan.file;
  const costs = costsOfVersion(given);
  return buildReport({
    model: name,
    task,
    labels: [...facts.labels],
    data: dataOf(given),
    training: trainingOf(given),
    performance: performanceOf(given),
    variants: variantReports(found.evidence, found.variants, made),
    ...(robustness === undefined
      ? {}
      : { robustness: { ...robustness, perturbed: [...robustness.perturbed], left: [...robustness.left], variant: 'fp32' as const } }),
    ...(costs === undefined ? {} : { costs }),
    environment: readEnvironment(threads),
    gate: { passed: verdict.passed, checks: verdict.checks.map((check) => ({ ...check })) },
    assumptions:
      evaluated.baseline.gain === null ? [...judged.assumptions, 'The records do not define the difference to the baseline.'] : [...judged.assumptions],
  });
}

const partNames = ['train', 'validation', 'test'] as const;
const labelsMax = 1000;

function dataOf({ plan: { file, inputs }, facts, labelsByPart, columns, judged }: VersionFacts): NonNullable<Report['data']> {
  const { ingest } = file;
  const rows = facts.rows.train + facts.rows.validation + facts.rows.test;
  const from = 'dataset' in ingest ? `the dataset ${ingest.dataset}` : inputs.length > 3 ? `${inputs.length} files` : inputs.map(({ path }) => path).join(', ');
  const weight = new Map(judged.importance?.columns.map((column) => [column.name, column.value]));
  const features = columns.filter((column) => column.role === 'feature').toSorted((one, other) => (weight.get(other.name) ?? 0) - (weight.get(one.name) ?? 0));
  return {
    origin: cut(`${rows.toLocaleString('en')} ${facts.kind === 'images' ? 'pictures' : 'records'} of ${from}.`, 1000),
    ...('dataset' in ingest ? { dataset: ingest.dataset, ...(ingest.version === undefined ? {} : { version: ingest.version }) } : {}),
    parts: partNames.map((name) => ({
      name,
      rows: facts.rows[name],
      ...(facts.labels.length === 0 ? {} : { labels: countsOf(facts.labels, labelsByPart[name]) }),
    })),
    ...(facts.frame === null ? {} : { frame: { width: facts.frame.size, height: facts.frame.size, channels: facts.frame.channels } }),
    ...(features.length === 0
      ? {}
      : {
          columns: features.slice(0, 500).map(({ name, type, count, missing }) => {
            const importance = weight.get(name);
            return { name: cut(name), kind: type, missing: missing / Math.max(1, count), ...(importance === undefined ? {} : { importance }) };
          }),
        }),
    ...(judged.importance === null ? {} : { importanceMethod: judged.importance.method }),
  };
}

function countsOf(names: readonly string[], labels: ArrayLike<number>): { label: string; count: number }[] {
  const counts = names.map(() => 0);
  for (let row = 0; row < labels.length; row += 1) counts[labels[row] as number] = (counts[labels[row] as number] ?? 0) + 1;
  return names.slice(0, labelsMax).map((label, place) => ({ label: cut(label), count: counts[place] ?? 0 }));
}

/** What decides about the model; the others are in what they led to. */
export const toldSettings = ({ task, positive, train, search, split, evaluate, quantise }: PipelineFile) => ({
  task,
  ...(positive === undefined ? {} : { positive }),
  train,
  ...(search === undefined ? {} : { search }),
  split,
  evaluate,
  quantise,
});

function trainingOf({ plan: { file }, trained, chosen, series }: VersionFacts): NonNullable<Report['training']> {
  const best = Object.fromEntries(Object.entries(chosen).map(([name, value]) => [`train.${name}`, value]));
  return {
    seed: file.seed,
    parameters: Object.fromEntries(Object.entries({ ...flatParameters(toldSettings(file)), ...best }).map(([name, value]) => [cut(name, 128), value])),
    weights: trained.parameters,
    weightDigest: trained.weightDigest,
    series: Object.entries(series)
      .slice(0, 32)
      .map(([name, points]) => ({ name, points: points.map(([step, value]): [number, number] => [step, value]) })),
  };
}

function performanceOf({ evaluated, judged, found, facts }: VersionFacts): NonNullable<Report['performance']> {
  const { baseline, metric } = evaluated;
  const metrics = (Object.keys(evaluated.metrics) as MetricName[]).map((name): ReportMetric => {
    const interval = judged.intervals[name];
    const [simple, serving] = [baseline.metrics[name], found.serving?.metrics[name]];
    return {
      name,
      ...kindOf(name),
      value: evaluated.metrics[name] ?? null,
      ...(interval === undefined ? {} : { low: interval.low, high: interval.high }),
      ...(simple === undefined ? {} : { baseline: simple }),
      ...(serving === undefined ? {} : { serving }),
    };
  });
  const names = judged.confusion?.labels.map((label) => cut(label)) ?? [];
  return {
    part: 'the test part',
    examples: judged.rows,
    main: metric,
    // What versions are compared by comes first.
    metrics: metrics.toSorted((one, other) => Number(other.name === metric) - Number(one.name === metric)),
    baseline: { name: baseline.name, gain: baseline.gain },
    ...(found.serving === null ? {} : { serving: { version: found.serving.version, metric, gain: found.serving.gain } }),
    ...(judged.slices.length === 0
      ? {}
      : { slices: judged.slices.map(({ column, value, count, metric: own, difference }) => ({ column, value, count, metric: own, difference })) }),
    ...(judged.confusion === null ? {} : { confusion: { truths: names, answers: names, counts: judged.confusion.counts } }),
    ...(judged.bins === null || facts.task === 'regression'
      ? {}
      : { calibration: { error: errorOfBins(judged.bins), chance: chanceError(judged.bins), bins: [...judged.bins] } }),
  };
}

function costsOfVersion({ plan, evaluated, judged, facts, found }: VersionFacts): Report['costs'] {
  const { costs: matrix, threshold } = evaluated.deciding;
  const value = evaluated.metrics.cost;
  if (matrix === null || judged.confusion === null || value === undefined) return undefined;
  const { low, high } = judged.intervals['cost'] ?? {};
  return costsOf({
    unit: plan.file.evaluate.costUnit,
    labels: facts.labels,
    matrix,
    counts: judged.confusion.counts,
    threshold,
    positive: facts.positive,
    cost: { value, low, high },
    baseline: evaluated.baseline.metrics['cost'],
    serving: found.serving?.metrics['cost'],
  });
}
