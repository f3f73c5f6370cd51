import { seededRandom } from '@serin/inference/random';
import type { Estimate, RunDetail } from '@serin/protocol/api/runs';
import type { CalibrationBin } from '@serin/protocol/bundle/report';
import type { MetricName, PipelineFile } from '@serin/protocol/pipeline';

import { estimatesOf, resampleAwake } from '../../evaluate/bootstrap.ts';
import { judgeSlices, type SlicesFound } from '../../evaluate/slices.ts';
import type { Counted } from '../../evaluate/ranking.ts';
import { reliabilityBins } from '../../evaluate/reliability.ts';
import { readModel, writeModel } from '../../onnx/model-file.ts';
import { answersOf, type Answers } from '../answers.ts';
import { applyCalibration, calibratedModel, calibrate, type Calibration } from '../calibration.ts';
import { importanceOf } from '../importance.ts';
import { comparePair, constantAnswers, decidingOf, slicesOf } from '../judging.ts';
import { decisionsOf, mainMetric, metricsOf, valueOf, type Deciding } from '../metrics.ts';
import { readFacts } from '../facts.ts';
import { robustnessOf } from '../robustness.ts';
import { decodeJson, decodePart, encodeJson, type DataFacts, type Part } from '../part.ts';
import type { Stage, StageContext, StageOutcome } from '../stage.ts';
import type { BaselineFacts, ModelFacts } from './train.ts';

/** What later stages judge by. */
export interface Evaluated {
  readonly metric: MetricName;
  readonly metrics: Readonly<Partial<Record<MetricName, number>>>;
  readonly deciding: Deciding;
  /** Index of the class that is looked for; null where none is. */
  readonly positive: number | null;
  readonly calibration: Calibration | null;
  readonly baseline: { readonly name: string; readonly metrics: Readonly<Record<string, number>>; readonly gain: Estimate | null };
}

/** All that was found on the test part, for the gate and the report. */
export interface JudgedTest extends Pick<RunDetail, 'confusion' | 'intervals' | 'slices' | 'importance' | 'assumptions'> {
  readonly rows: number;
  /** Of classifiers: answers by their confidence. */
  readonly bins: readonly CalibrationBin[] | null;
}

/** What costs are counted in only people are told. */
const judgedBy = ({ evaluate: { costUnit: _, ...rest } }: PipelineFile) => rest;

export const evaluate: Stage = {
  name: 'evaluate',
  modules: () => [new URL(import.meta.url)],
  settings: ({ file, trial }) => ({
    evaluate: trial ? { metric: file.evaluate.metric ?? null, costs: file.evaluate.costs ?? null } : judgedBy(file),
    seed: file.seed,
    trial,
  }),
  reads: ({ trial }) => [
    'split/validation.bin',
    'split/facts.json',
    'split/asked.json',
    'train/model.onnx',
    'train/model.json',
    ...(trial ? [] : (['split/test.bin', 'train/baseline.onnx', 'train/baseline.json', 'train/explainer.bin'] as const)),
  ],
  runtime: true,
  run: async (context) => {
    const facts = await readFacts(context);
    const model = decodeJson<ModelFacts>(await context.read('train/model.json'));
    const bytes = await context.read('train/model.onnx');
    const validation = decodePart(await context.read('split/validation.bin'));
    const metric = mainMetric(context.plan.file, facts);
    const validated = await answer(context, bytes, model, validation, facts, 'validation');
    return context.plan.trial
      ? judgeTrial(context, facts, validated, validation, metric)
      : judgeModel(context, { facts, model, bytes, validation, validated, metric });
  },
};

const answer = (
  context: StageContext,
  bytes: Uint8Array,
  model: Pick<ModelFacts, 'preprocessing'>,
  part: Part,
  { frame }: DataFacts,
  what: string,
): Promise<Answers> =>
  answersOf(bytes, model.preprocessing ?? undefined, part, frame, {
    signal: context.signal,
    onRows: (done) => context.progress(done / Math.max(1, part.rows), `${what}: ${done} of ${part.rows} records`),
  });

/** The test part has no say in which trial is taken. */
function judgeTrial({ plan }: StageContext, facts: DataFacts, validated: Answers, { labels, rows }: Part, metric: MetricName): StageOutcome {
  const deciding = decidingOf(plan.file, facts, validated, labels, metric);
  const value = valueOf(metricsOf(validated, labels, facts, deciding)[metric], rows);
  return { words: `${metric} ${value.toPrecision(5)} on the validation part`, facts: { metric: value }, report: { metrics: { [metric]: value } } };
}

interface Judged {
  readonly facts: DataFacts;
  readonly model: ModelFacts;
  readonly bytes: Uint8Array;
  readonly validation: Part;
  readonly validated: Answers;
  readonly metric: MetricName;
}

async function judgeModel(context: StageContext, { facts, model, bytes, validation, validated: raw, metric }: Judged): Promise<StageOutcome> {
  const { file } = context.plan;
  const found = await calibrate(raw, validation.labels, facts.kind === 'images' ? 'temperature' : 'classes');
  const calibrated = found === undefined ? undefined : calibratedModel(readModel(bytes), found.calibration);
  const validated = found === undefined ? raw : applyCalibration(raw, found.calibration);
  if (found !== undefined) context.note(`calibrated on the validation part: ${found.words}`);
  const deciding = decidingOf(file, facts, validated, validation.labels, metric);
  const test = decodePart(await context.read('split/test.bin'));
  const deployed = calibrated === undefined ? bytes : writeModel(calibrated);
  // The very graph that is deployed answers here.
  const answers = await answer(context, deployed, model, test, facts, 'test');
  const prepared = metricsOf(answers, test.labels, facts, deciding);
  const random = seededRandom(file.seed).fork('evaluate');
  context.progress(null, `${file.evaluate.repeats} resamples`);
  const intervals = estimatesOf(
    await resampleAwake(
      prepared as Record<string, Counted>,
      { rows: test.rows, repeats: file.evaluate.repeats, random: random.fork('intervals'), groups: test.groups },
      (fraction) => context.progress(fraction, 'resamples of the test part'),
    ),
  );
  const metrics = finite(Object.fromEntries(Object.entries(prepared).map(([name, one]) => [name, valueOf(one, test.rows)])));
  const baseline = await judgeBaseline(context, { facts, test, validation, metric, prepared: prepared[metric] as Counted });
  const slices = await sliced(context, facts, test, answers, deciding, prepared[metric] as Counted);
  for (const note of slices?.notes ?? []) context.note(note);
  const importance = await importanceOf(context, facts, model, bytes, test, metric);
  const { preprocessing } = model;
  const robustness = await robustnessOf(context, { facts, preprocessing: preprocessing ?? undefined, trained: bytes, deployed, test, deciding, metric });
  const evaluated: Evaluated = { metric, metrics, deciding, positive: facts.positive, calibration: found?.calibration ?? null, baseline };
  const interval = intervals[metric];
  const { threshold } = deciding;
  const judged: JudgedTest = {
    rows: test.rows,
    intervals: intervals as Record<string, Estimate>,
    slices: slices?.slices ?? [],
    confusion: facts.task === 'regression' ? null : confusionOf(answers, test, facts, deciding),
    bins: facts.task === 'regression' ? null : reliabilityBins({ probabilities: answers.values, labels: test.labels, classes: answers.width }),
    importance,
    assumptions: assumptionsOf(context, facts, test, slices, found !== undefined, deciding),
  };
  const { rows: _, bins: __, ...told } = judged;
  return {
    words: `${metric} ${(metrics[metric] ?? Number.NaN).toPrecision(4)}${interval === undefined ? '' : ` (${interval.low.toPrecision(4)} to ${interval.high.toPrecision(4)})`} on ${test.rows.toLocaleString('en')} test records; ${baseline.name} ${(baseline.metrics[metric] ?? Number.NaN).toPrecision(4)}`,
    outputs: {
      'evaluation.json': encodeJson(evaluated),
      'judged.json': encodeJson(judged),
      'robustness.json': encodeJson(robustness),
      ...(calibrated === undefined ? {} : { 'model.onnx': deployed }),
    },
    report: {
      metrics: { ...metrics, ...(threshold === null ? {} : { threshold }) },
      baseline: { name: baseline.name, metrics: { ...baseline.metrics } },
      ...told,
    },
  };
}

const finite = (values: Record<string, number>): Partial<Record<MetricName, number>> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => Number.isFinite(value)));

interface BaselineJudged {
  readonly facts: DataFacts;
  readonly test: Part;
  readonly validation: Part;
  readonly metric: MetricName;
  readonly prepared: Counted;
}

async function judgeBaseline(context: StageContext, { facts, test, validation, metric, prepared }: BaselineJudged): Promise<Evaluated['baseline']> {
  const { file } = context.plan;
  const { name, preprocessing, constant } = decodeJson<BaselineFacts>(await context.read('train/baseline.json'));
  const ask = async (part: Part): Promise<Answers> =>
    constant === null
      ? answer(context, await context.read('train/baseline.onnx'), { preprocessing }, part, facts, 'baseline')
      : constantAnswers(constant, part.rows, facts.task);
  // It gets a threshold of its own, chosen as that of the model is.
  const deciding = decidingOf(file, facts, await ask(validation), validation.labels, metric);
  const found = metricsOf(await ask(test), test.labels, facts, deciding);
  const { gain } = await comparePair(prepared, found[metric] as Counted, metric, test, file.evaluate.repeats, file.seed);
  const metrics = finite(Object.fromEntries(Object.entries(found).map(([key, one]) => [key, valueOf(one, test.rows)]))) as Record<string, number>;
  return { name, metrics, gain: gain ?? null };
}

async function sliced(
  context: StageContext,
  facts: DataFacts,
  test: Part,
  answers: Answers,
  deciding: Deciding,
  metric: Counted,
): Promise<SlicesFound | undefined> {
  if (facts.slices.length === 0) return undefined;
  const { file } = context.plan;
  const decided = facts.positive === null ? undefined : decisionsOf(answers, test.labels, facts, deciding);
  const isPositive = (values: ArrayLike<number>): Uint8Array => Uint8Array.from(values, (value) => (value === facts.positive ? 1 : 0));
  return judgeSlices({
    slices: slicesOf(test, facts.slices),
    metric,
    rows: test.rows,
    repeats: file.evaluate.repeats,
    random: seededRandom(file.seed).fork('slices'),
    onProgress: (fraction) => context.progress(fraction, `resamples of ${facts.slices.join(', ')}`),
    groups: test.groups,
    ...(decided === undefined ? {} : { positives: { truth: isPositive(test.labels), answered: isPositive(decided) } }),
  });
}

const confusionLabelsMax = 100;

function confusionOf(answers: Answers, { labels }: Part, facts: DataFacts, deciding: Deciding): { labels: string[]; counts: number[][] } | null {
  const classes = facts.labels.length;
  if (classes > confusionLabelsMax) return null;
  const counts = Array.from({ length: classes }, () => Array.from({ length: classes }, () => 0));
  decisionsOf(answers, labels, facts, deciding).forEach((said, row) => {
    const line = counts[labels[row] as number];
    if (line !== undefined && said >= 0) line[said] = (line[said] ?? 0) + 1;
  });
  return { labels: [...facts.labels], counts };
}

function assumptionsOf(
  { plan: { file } }: StageContext,
  facts: DataFacts,
  test: Part,
  slices: SlicesFound | undefined,
  isCalibrated: boolean,
  { threshold }: Deciding,
): string[] {
  const unit = test.groups === undefined ? 'records' : `groups of ${file.ingest.spec?.group ?? 'records'}`;
  return [
    `Intervals are 95 % percentile intervals of ${file.evaluate.repeats} bootstrap resamples of the ${test.rows} test records: they hold if ${unit} of the future are drawn independently from the same source.`,
    'The test part was looked at once, after everything was chosen; each run that is tuned by looking at it makes these figures a little too good.',
    ...(threshold === null
      ? []
      : [`The threshold ${threshold.toPrecision(4)} was chosen on the validation part alone${file.evaluate.costs === undefined ? '' : ', to cost least'}.`]),
    ...(isCalibrated ? ['Probabilities were calibrated on the validation part; they mean what they say as long as the classes come as often as there.'] : []),
    ...(slices === undefined || slices.slices.length === 0
      ? []
      : [
          `Intervals of the differences of ${slices.slices.length} slices hold all at once (max-t over the resamples); those of the slices' own figures stand alone. Numbers are sliced at the quartiles of the test part.`,
        ]),
    ...(facts.task === 'classification' && facts.labels.length > 2
      ? ['AUC, average precision, F1, precision and recall are plain means over the classes.']
      : []),
  ];
}
