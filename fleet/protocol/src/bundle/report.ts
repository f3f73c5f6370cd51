import { z } from 'zod/mini';
import { environment, estimate, parameterValue, series, type RunDetail } from '../api/runs.ts';
import { count, digest, modelName, versionNumber } from '../ids.ts';
import { gateVerdict } from './gate.ts';
import { manifest, variant } from './manifest.ts';

/**
 * What was found out about a version before it was signed, as the file of role `report`. Everything but its name and task may be
 * absent: a report tells what was measured, and what was not measured is not there. A figure that could not be computed is null.
 */
export const reportPath = 'report.json';
export const reportBytesMax = 4 * 1024 * 1024;

const shortText = (most: number) => z.string().check(z.maxLength(most));
const name = shortText(200);
const words = shortText(1000);
const figure = z.nullable(z.number());
const better = z.enum(['higher', 'lower']);
/** How a figure is shown: shares as per cent, the others as they are. */
const unit = z.enum(['share', 'nats', 'pixels', 'degrees', 'value', 'cost']);

/** Names of a scheme's parts, each with how often they occur. */
const labelCount = z.object({ label: name, count });

export const reportData = z.object({
  /** Where it comes from; synthetic data says so. */
  origin: words,
  dataset: z.optional(modelName),
  version: z.optional(versionNumber),
  digest: z.optional(digest),
  parts: z.array(z.object({ name: shortText(64), rows: count, labels: z.optional(z.array(labelCount).check(z.maxLength(1000))) })).check(z.maxLength(16)),
  /** Of records: the columns, those that matter most first. */
  columns: z.optional(
    z.array(z.object({ name, kind: shortText(40), missing: z.optional(z.number()), importance: z.optional(z.number()) })).check(z.maxLength(500)),
  ),
  /** What `importance` is: mean |SHAP| say. */
  importanceMethod: z.optional(name),
  /** Of pictures. */
  frame: z.optional(z.object({ width: count, height: count, channels: count })),
});

export const reportTraining = z.object({
  seed: z.optional(z.number()),
  parameters: z.optional(z.record(shortText(128), parameterValue)),
  /** Numbers that were learnt. */
  weights: z.optional(count),
  weightDigest: z.optional(z.string().check(z.maxLength(128))),
  revision: z.optional(z.nullable(shortText(128))),
  series: z.optional(z.array(series).check(z.maxLength(32))),
});

export const reportMetric = z.object({
  name,
  better,
  unit,
  value: figure,
  low: z.optional(figure),
  high: z.optional(figure),
  /** Of the simple model, and of the version that served, on the same examples. */
  baseline: z.optional(figure),
  serving: z.optional(figure),
});
export type ReportMetric = z.infer<typeof reportMetric>;

/** Examples by their confidence: how many, its mean, the share that was right. */
export const calibrationBin = z.object({ count, confidence: z.number(), right: z.number() });
export type CalibrationBin = z.infer<typeof calibrationBin>;

/** The main metric on the examples that share a value; null where they are too few or do not define it. */
export const reportSlice = z.object({
  column: name,
  value: name,
  count,
  metric: z.nullable(estimate),
  /** Minus that of everybody else, by intervals that hold for all slices at once. */
  difference: z.optional(z.nullable(estimate)),
});
export type ReportSlice = z.infer<typeof reportSlice>;

export const reportPerformance = z.object({
  /** On what: `the test part`, `held-out frames`. */
  part: words,
  examples: count,
  /** What versions are compared by. */
  main: z.optional(name),
  metrics: z.array(reportMetric).check(z.maxLength(100)),
  baseline: z.optional(z.object({ name, gain: z.nullable(estimate) })),
  /** The version that served, on the same examples; the gain is in the direction of the metric. */
  serving: z.optional(
    z.object({
      version: z.nullable(versionNumber),
      metric: name,
      gain: z.nullable(estimate),
      wins: z.optional(count),
      losses: z.optional(count),
      words: z.optional(words),
    }),
  ),
  slices: z.optional(z.array(reportSlice).check(z.maxLength(500))),
  /** Rows are the truth. */
  confusion: z.optional(
    z.object({
      truths: z.array(name).check(z.maxLength(101)),
      answers: z.array(name).check(z.maxLength(101)),
      counts: z.array(z.array(count).check(z.maxLength(101))).check(z.maxLength(101)),
    }),
  ),
  calibration: z.optional(
    z.object({ error: figure, chance: z.optional(figure), temperature: z.optional(z.number()), bins: z.array(calibrationBin).check(z.maxLength(50)) }),
  ),
  /** A class one by one: average precision, say. */
  classes: z.optional(z.object({ metric: name, items: z.array(z.object({ label: name, value: figure, count: z.optional(count) })).check(z.maxLength(1000)) })),
});

/** One question after the other on the machine that packaged; null where too few were asked to know it. */
export const reportLatency = z.object({
  p50Ms: figure,
  p90Ms: figure,
  p99Ms: figure,
  queries: count,
  threads: count,
  loadMs: z.optional(figure),
  /** How much a fresh process grew by it. */
  memoryBytes: z.optional(figure),
});
export type ReportLatency = z.infer<typeof reportLatency>;

/** One step of getting accuracy back, and what it bought. */
export const reportRecovery = z.object({ step: shortText(40), metric: figure, sqnrDb: z.optional(figure), taken: z.boolean(), words });

export const reportVariant = z.object({
  variant,
  bytes: count,
  /** Whether devices get it, and why, or why not. */
  ships: z.boolean(),
  words,
  metrics: z.optional(z.record(name, figure)),
  /** Of the metric named against float on the same examples, as a share; negative where it gained. */
  loss: z.optional(z.object({ metric: name, float: figure, value: figure, share: figure })),
  latency: z.optional(reportLatency),
  /** Of the time float takes, question by question: below 1 is faster. */
  time: z.optional(estimate),
  /** Nodes in 8 bits, and those left in float with the reason; `leftCount` counts them all. */
  quantised: z.optional(count),
  left: z.optional(z.array(z.object({ node: name, operator: shortText(64), words })).check(z.maxLength(200))),
  leftCount: z.optional(count),
  recovery: z.optional(z.array(reportRecovery).check(z.maxLength(32))),
});
export type ReportVariant = z.infer<typeof reportVariant>;

/** The metric under one perturbation; the drop is positive where it is worse than undisturbed. */
export const reportDisturbance = z.object({
  kind: shortText(40),
  severity: z.number(),
  words,
  estimate: z.nullable(estimate),
  drop: z.nullable(estimate),
});
export type ReportDisturbance = z.infer<typeof reportDisturbance>;

export const reportRobustness = z.object({
  metric: name,
  better,
  unit,
  /** Undisturbed, on the same examples. */
  clean: z.nullable(estimate),
  count,
  variant: z.optional(variant),
  perturbed: z.array(reportDisturbance).check(z.maxLength(500)),
  left: z.array(z.object({ kind: shortText(40), severity: z.number(), why: words })).check(z.maxLength(500)),
});
export type ReportRobustness = z.infer<typeof reportRobustness>;

/** What mistakes cost where the user says what one costs. */
export const reportCosts = z.object({
  /** What the costs are counted in. */
  unit: z.optional(shortText(32)),
  threshold: z.nullable(z.number()),
  /** The class that is answered from the threshold on. */
  positive: z.optional(name),
  /** Kinds of answers that cost something, or may: per thousand answers. */
  items: z.array(z.object({ truth: name, answer: name, each: z.number(), count: z.number(), cost: z.number() })).check(z.maxLength(1000)),
  /** Of a thousand answers, all together; of the baseline and of the version that served likewise. */
  perThousand: z.number(),
  low: z.optional(z.number()),
  high: z.optional(z.number()),
  baseline: z.optional(z.number()),
  serving: z.optional(z.number()),
});
export type ReportCosts = z.infer<typeof reportCosts>;

export const report = z.object({
  v: z.literal(1),
  model: modelName,
  task: manifest.shape.task,
  description: z.optional(shortText(2000)),
  labels: z.array(name).check(z.maxLength(10_000)),
  data: z.optional(reportData),
  training: z.optional(reportTraining),
  performance: z.optional(reportPerformance),
  variants: z.array(reportVariant).check(z.maxLength(16)),
  robustness: z.optional(reportRobustness),
  costs: z.optional(reportCosts),
  environment: z.optional(environment),
  gate: gateVerdict,
  /** What the statistics assume, and what was left out. */
  assumptions: z.array(words).check(z.maxLength(64)),
});
export type Report = z.infer<typeof report>;

/** Where a run that came to its gate keeps its report, once it is over. Pipelines name the stage that leaves it. */
export const reportArtifact = ({ status, artifacts }: Pick<RunDetail, 'status' | 'artifacts'>): RunDetail['artifacts'][number] | undefined =>
  status === 'RUNNING' ? undefined : artifacts.find(({ name: file }) => file === reportPath || file === `package/${reportPath}`);
