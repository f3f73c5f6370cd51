import { preprocessing as preprocessingSchema } from '@serin/protocol/bundle/preprocessing';
import { asSerinError } from '@serin/protocol/errors';
import type { MetricName } from '@serin/protocol/pipeline';

import { atLeast, atMost, sizeCheck, verdict, type GateCheck, type GateVerdict } from '../../evaluate/gate.ts';
import { answersOf, relabel } from '../answers.ts';
import { shown } from '../figures.ts';
import { comparePair } from '../judging.ts';
import { metricsOf, type Deciding } from '../metrics.ts';
import { readFacts } from '../facts.ts';
import { decodeJson, decodePart, encodeJson } from '../part.ts';
import type { Champion } from '../request.ts';
import type { Plan, Stage, StageContext } from '../stage.ts';
import type { Evaluated } from './evaluate.ts';
import { deployedModel } from './quantise.ts';
import type { ModelFacts } from './train.ts';

/** Decides whether this becomes a version. Every check that fails says by how much; a figure that is missing fails. */
export const gate: Stage = {
  name: 'gate',
  modules: () => [new URL(import.meta.url)],
  settings: ({ file, champion }) => ({
    gate: file.gate,
    seed: file.seed,
    repeats: file.evaluate.repeats,
    champion: champion === undefined ? null : { version: champion.version, sha256: champion.sha256, labels: champion.labels, metrics: champion.metrics ?? {} },
  }),
  reads: ({ champion }) => [
    'evaluate/evaluation.json',
    'evaluate/model.onnx',
    'train/model.onnx',
    'quantise/model.u8s8.onnx',
    ...(champion === undefined ? [] : (['split/test.bin', 'split/facts.json', 'split/asked.json', 'train/model.json'] as const)),
  ],
  runtime: true,
  run: async (context) => {
    const evaluated = decodeJson<Evaluated>(await context.read('evaluate/evaluation.json'));
    const { plan } = context;
    const checks = [...limitChecks(plan, evaluated), sizeCheck(await largestModel(context), plan.file.gate.modelBytesMax)];
    // A version that serves has passed the baseline before; from then on it is the one to be measured by.
    if (plan.champion !== undefined) checks.push(await championCheck(context, plan.champion, evaluated));
    else if (plan.file.gate.beatBaseline) checks.push(baselineCheck(evaluated));
    const found = verdict(checks);
    const failed = checks.filter(({ passed }) => !passed);
    return {
      words: found.passed ? `all ${checks.length} checks passed` : failed.map(({ words }) => words).join('; '),
      outputs: { 'verdict.json': encodeJson(found) },
      report: { gate: { passed: found.passed, checks: [...found.checks] } },
      facts: { passed: found.passed },
    };
  },
};

export const readVerdict = async (context: StageContext): Promise<GateVerdict> => decodeJson<GateVerdict>(await context.read('gate/verdict.json'));

async function largestModel(context: StageContext): Promise<number> {
  const small = context.has('quantise/model.u8s8.onnx') ? (await context.read('quantise/model.u8s8.onnx')).length : 0;
  return Math.max(small, (await deployedModel(context)).length);
}

function limitChecks({ file }: Plan, { metrics }: Evaluated): GateCheck[] {
  return Object.entries(file.gate.limits).flatMap(([metric, { min, max }]): GateCheck[] => {
    const value = metrics[metric as MetricName] ?? Number.NaN;
    const check = (make: typeof atLeast, limit: number, asked: string): GateCheck => {
      const off = Math.abs(limit - value);
      const checked = make(metric, value, limit, '');
      return {
        ...checked,
        words: `${metric} is ${shown(value)} on the test part; ${asked} ${shown(limit)} is asked${checked.passed ? '' : `, it is off by ${shown(off)}`}`,
      };
    };
    return [...(min === undefined ? [] : [check(atLeast, min, 'at least')]), ...(max === undefined ? [] : [check(atMost, max, 'at most')])];
  });
}

function baselineCheck({ metric, baseline: { name, gain, metrics } }: Evaluated): GateCheck {
  const low = gain?.low ?? Number.NaN;
  // To be no worse is not enough, whatever the rounding.
  const passed = low > 0;
  const distance = gain === null ? 'the difference is not defined' : `it is better by ${shown(gain.value)} (${shown(gain.low)} to ${shown(gain.high)})`;
  return {
    name: 'against_baseline',
    value: low,
    limit: 0,
    passed,
    words: `${metric} of the baseline (${name}) is ${shown(metrics[metric] ?? Number.NaN)}; on the same records ${distance}; the lower end must be above 0${passed ? '' : gain === null ? ': bring more records' : ': the simple model does as well, so serve that, or bring more records'}`,
  };
}

/** The serving version on the same records, by the same resamples. What cannot be compared does not pass. */
async function championCheck(context: StageContext, champion: Champion, { metric, deciding }: Evaluated): Promise<GateCheck> {
  const { gate: settings, evaluate, seed } = context.plan.file;
  const name = 'against_champion';
  const limit = -settings.inferiorityMax;
  try {
    const facts = await readFacts(context);
    const test = decodePart(await context.read('split/test.bin'));
    const own = decodeJson<ModelFacts>(await context.read('train/model.json'));
    const options = { signal: context.signal };
    const challenger = await answersOf(await deployedModel(context), own.preprocessing ?? undefined, test, facts.frame, options);
    const preprocessing = champion.preprocessing === undefined ? undefined : preprocessingSchema.parse(decodeJson(champion.preprocessing));
    const theirs = await answersOf(champion.model, preprocessing, test, facts.frame, options);
    if (theirs.kind !== challenger.kind) throw new TypeError(`it answers with a ${theirs.kind}`);
    const threshold = champion.metrics?.['threshold'] ?? deciding.threshold;
    const before: Deciding = { ...deciding, threshold: facts.positive === null ? null : threshold };
    const { gain, one, other } = await comparePair(
      metricOf(metricsOf(challenger, test.labels, facts, deciding), metric),
      metricOf(metricsOf(relabel(theirs, champion.labels, facts.labels), test.labels, facts, before), metric),
      metric,
      test,
      evaluate.repeats,
      seed,
    );
    const low = gain?.low ?? Number.NaN;
    const passed = low >= limit;
    return {
      name,
      value: low,
      limit,
      passed,
      words: `on the same ${test.rows} records ${metric} is ${shown(one)}, of the serving version ${champion.version} ${shown(other)}: ${gain === undefined ? 'the difference is not defined' : `better by ${shown(gain.value)} (${shown(gain.low)} to ${shown(gain.high)})`}; the lower end must be at least ${shown(limit)}${passed ? '' : `, it is off by ${shown(limit - low)}`}`,
    };
  } catch (error) {
    if (context.signal?.aborted === true) throw error;
    const { code, detail, message } = asSerinError(error);
    return {
      name,
      value: Number.NaN,
      limit,
      passed: false,
      words: `the serving version ${champion.version} cannot be asked about these records (${code}: ${detail ?? message}), so nothing can be said`,
    };
  }
}

function metricOf<Metric>(metrics: Partial<Record<MetricName, Metric>>, name: MetricName): Metric {
  const found = metrics[name];
  if (found === undefined) throw new RangeError(`there is no metric ${name}`);
  return found;
}
