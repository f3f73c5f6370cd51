import { preprocessing as preprocessingSchema } from '@serin/protocol/bundle/preprocessing';
import type { Estimate } from '@serin/protocol/api/runs';
import { variant as variantNames, type Variant } from '@serin/protocol/bundle/manifest';
import { asSerinError } from '@serin/protocol/errors';
import type { MetricName } from '@serin/protocol/pipeline';

import type { GateVerdict } from '../../evaluate/gate-check.ts';
import { measureLatency } from '../../evaluate/latency.ts';
import { judge, type GateEvidence, type ShippedVariant, type VariantEvidence } from '../../evaluate/gate.ts';
import type { Robustness } from '../../evaluate/measured.ts';
import { errorOfBins } from '../../evaluate/reliability.ts';
import { answersOf, feederOf, relabel, type Answers } from '../answers.ts';
import { shown } from '../figures.ts';
import { comparePair } from '../judging.ts';
import { betterOf, lossMetricOf, metricsOf, valueOf, type Deciding } from '../metrics.ts';
import { readFacts } from '../facts.ts';
import type { MadeVariant } from '../../package/make-variants.ts';
import { decodeJson, decodePart, encodeJson, type DataFacts, type Part } from '../part.ts';
import type { Champion } from '../request.ts';
import type { Artifact, Stage, StageContext } from '../stage.ts';
import type { Evaluated, JudgedTest } from './evaluate.ts';
import { deployedModel } from './quantise.ts';
import type { ModelFacts } from './train.ts';

/** Decides whether this becomes a version, and which variants go with it. Every check that fails says by how much; a figure that is missing fails. */
export const gate: Stage = {
  name: 'gate',
  modules: () => [new URL(import.meta.url)],
  settings: ({ file, champion }) => ({
    gate: file.gate,
    seed: file.seed,
    repeats: file.evaluate.repeats,
    champion: champion === undefined ? null : { version: champion.version, sha256: champion.sha256, labels: champion.labels, metrics: champion.metrics ?? {} },
  }),
  reads: () => [
    'evaluate/evaluation.json',
    'evaluate/judged.json',
    'evaluate/robustness.json',
    'evaluate/model.onnx',
    'train/model.onnx',
    'train/model.json',
    'split/test.bin',
    'split/facts.json',
    'split/asked.json',
    'quantise/variants.json',
    ...madeVariants.map(modelArtifact),
  ],
  runtime: true,
  run: async (context) => {
    const tested = await readTested(context);
    const { evaluated, judged } = tested;
    const { champion } = context.plan;
    const serving = champion === undefined ? undefined : await askServing(context, tested, champion);
    const made = await madeOf(context, tested);
    const variants = await variantsOf(context, tested, made);
    const { verdict, variants: shipped } = judge(
      {
        metrics: evaluated.metrics,
        part: 'the test part',
        main: { metric: evaluated.metric, better: betterOf(evaluated.metric) },
        calibration: judged.bins === null ? undefined : { error: errorOfBins(judged.bins), bins: judged.bins },
        baseline: {
          name: evaluated.baseline.name,
          metric: evaluated.metric,
          value: valueIn(evaluated.baseline.metrics, evaluated.metric),
          gain: evaluated.baseline.gain,
        },
        serving: serving?.evidence,
        slices: judged.slices,
        robustness: await readRobustness(context),
        variants,
      },
      context.plan.file.gate,
    );
    const failed = verdict.checks.filter(({ passed, variant }) => !passed && variant === undefined);
    for (const { ships, words } of shipped) if (!ships) context.note(words);
    return {
      words: verdict.passed
        ? `all ${verdict.checks.length - verdict.checks.filter(({ variant }) => variant !== undefined).length} checks passed`
        : failed.map(({ words }) => words).join('; '),
      outputs: {
        'verdict.json': encodeJson(verdict),
        'found.json': encodeJson({ variants: shipped, evidence: variants, made, serving: serving?.found ?? null } satisfies GateFound),
      },
      report: { gate: { passed: verdict.passed, checks: [...verdict.checks] } },
      facts: { passed: verdict.passed },
    };
  },
};

/** What the gate found out on its way, for the report. */
export interface GateFound {
  readonly variants: readonly ShippedVariant[];
  readonly evidence: readonly VariantEvidence[];
  readonly made: readonly MadeVariant[];
  readonly serving: ServingFound | null;
}

export interface ServingFound {
  readonly version: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly gain: Estimate | null;
}

/** Null where there is nothing to disturb. */
export const readRobustness = async (context: StageContext): Promise<Robustness | undefined> =>
  context.has('evaluate/robustness.json') ? (decodeJson<Robustness | null>(await context.read('evaluate/robustness.json')) ?? undefined) : undefined;

export const readVerdict = async (context: StageContext): Promise<GateVerdict> => decodeJson<GateVerdict>(await context.read('gate/verdict.json'));
export const readFound = async (context: StageContext): Promise<GateFound> => decodeJson<GateFound>(await context.read('gate/found.json'));

/** Beside float. */
const madeVariants = variantNames.options.filter((name) => name !== 'fp32');
export const modelArtifact = (variant: Variant): Artifact => `quantise/model.${variant}.onnx`;

interface Tested {
  readonly evaluated: Evaluated;
  readonly judged: JudgedTest;
  readonly own: ModelFacts;
  readonly facts: DataFacts;
  readonly test: Part;
  readonly bytes: Uint8Array;
  /** What the float model says of the test part; asked once. */
  readonly answers: () => Promise<Answers>;
}

async function readTested(context: StageContext): Promise<Tested> {
  const facts = await readFacts(context);
  const own = decodeJson<ModelFacts>(await context.read('train/model.json'));
  const test = decodePart(await context.read('split/test.bin'));
  const bytes = await deployedModel(context);
  let asked: Promise<Answers> | undefined;
  return {
    evaluated: decodeJson<Evaluated>(await context.read('evaluate/evaluation.json')),
    judged: decodeJson<JudgedTest>(await context.read('evaluate/judged.json')),
    own,
    facts,
    test,
    bytes,
    answers: () => (asked ??= answersOf(bytes, own.preprocessing ?? undefined, test, facts.frame, { signal: context.signal })),
  };
}

const valueIn = (metrics: Readonly<Record<string, number>>, name: string): number => metrics[name] ?? Number.NaN;

const queriesMax = 32;
/** Where float is alone nothing is decided by its latency unless a limit is set: a short look does. */
const shortLook = { timeMsMin: 100, timeMsMax: 2000 } as const;

/** What is known of each form; where none was made beside float, float is measured here. */
async function madeOf(context: StageContext, { own, facts, test, bytes }: Tested): Promise<readonly MadeVariant[]> {
  if (context.has('quantise/variants.json')) return decodeJson<MadeVariant[]>(await context.read('quantise/variants.json'));
  const feeder = feederOf(own.preprocessing ?? undefined, test, facts.frame);
  const queries = Array.from({ length: Math.min(queriesMax, test.rows) }, (_, row) => feeder(row, row + 1));
  context.progress(null, 'latency, one question after the other');
  const { models } = await measureLatency([{ name: 'fp32', model: bytes, queries }], { ...shortLook, signal: context.signal });
  return models.map(({ name: _, modelBytes, ...latency }) => ({ variant: 'fp32', bytes: modelBytes, latency }));
}

/** Float and whatever was made beside it, each asked about the test part. */
async function variantsOf(
  context: StageContext,
  { evaluated, own, facts, test, bytes, answers }: Tested,
  made: readonly MadeVariant[],
): Promise<VariantEvidence[]> {
  const latencyOf = (variant: Variant): Pick<VariantEvidence, 'latency'> => {
    const latency = made.find((one) => one.variant === variant)?.latency;
    return latency === undefined ? {} : { latency };
  };
  const metric = lossMetricOf(evaluated.metric);
  const valueOfAnswers = (found: Answers): number => valueOf(metricsOf(found, test.labels, facts, evaluated.deciding)[metric], test.rows);
  const found: VariantEvidence[] = [{ variant: 'fp32', bytes: bytes.length, ...latencyOf('fp32') }];
  for (const variant of madeVariants.filter((one) => context.has(modelArtifact(one)))) {
    const model = await context.read(modelArtifact(variant));
    const said = await answersOf(model, own.preprocessing ?? undefined, test, facts.frame, { signal: context.signal });
    const loss = { metric, better: betterOf(metric), float: valueOfAnswers(await answers()), value: valueOfAnswers(said), examples: test.rows };
    found.push({ variant, bytes: model.length, ...latencyOf(variant), loss });
  }
  for (const { variant, bytes: size, leftOut } of made) {
    if (leftOut !== undefined && !found.some((one) => one.variant === variant)) found.push({ variant, bytes: size, ...latencyOf(variant), leftOut });
  }
  return found;
}

interface ServingAnswer {
  readonly evidence: NonNullable<GateEvidence['serving']>;
  readonly found: ServingFound;
}

/** The serving version on the same records, by the same resamples. What cannot be compared does not pass. */
async function askServing(context: StageContext, { evaluated, facts, test, answers }: Tested, champion: Champion): Promise<ServingAnswer> {
  const { evaluate, seed } = context.plan.file;
  const { metric, deciding } = evaluated;
  try {
    const challenger = await answers();
    const preprocessing = champion.preprocessing === undefined ? undefined : preprocessingSchema.parse(decodeJson(champion.preprocessing));
    const theirs = await answersOf(champion.model, preprocessing, test, facts.frame, { signal: context.signal });
    if (theirs.kind !== challenger.kind) throw new TypeError(`it answers with a ${theirs.kind}`);
    const threshold = champion.metrics?.['threshold'] ?? deciding.threshold;
    const before: Deciding = { ...deciding, threshold: facts.positive === null ? null : threshold };
    const ours = metricsOf(challenger, test.labels, facts, deciding);
    const others = metricsOf(relabel(theirs, champion.labels, facts.labels), test.labels, facts, before);
    const { gain, one, other } = await comparePair(metricOf(ours, metric), metricOf(others, metric), metric, test, evaluate.repeats, seed);
    const better = gain === undefined ? 'the difference is not defined' : `better by ${shown(gain.value)} (${shown(gain.low)} to ${shown(gain.high)})`;
    return {
      evidence: {
        low: gain?.low ?? Number.NaN,
        words: `on the same ${test.rows} records ${metric} is ${shown(one)}, of the serving version ${champion.version} ${shown(other)}: ${better}`,
      },
      found: {
        version: champion.version,
        gain: gain ?? null,
        metrics: Object.fromEntries(Object.entries(others).map(([name, counted]) => [name, valueOf(counted, test.rows)])),
      },
    };
  } catch (error) {
    if (context.signal?.aborted === true) throw error;
    const { code, detail, message } = asSerinError(error);
    return {
      evidence: {
        low: Number.NaN,
        words: `the serving version ${champion.version} cannot be asked about these records (${code}: ${detail ?? message}), so nothing can be said`,
      },
      found: { version: champion.version, gain: null, metrics: {} },
    };
  }
}

function metricOf<Metric>(metrics: Partial<Record<MetricName, Metric>>, name: MetricName): Metric {
  const found = metrics[name];
  if (found === undefined) throw new RangeError(`there is no metric ${name}`);
  return found;
}
