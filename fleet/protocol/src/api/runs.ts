import { z } from 'zod/mini';
import { gateVerdict } from '../bundle/gate.ts';
import { count, digest, modelName, timestampMs, versionNumber } from '../ids.ts';
import { stageNames } from '../pipeline.ts';

/** The record of how a model came to be. */

const shortText = (most: number) => z.string().check(z.maxLength(most));

/** Where a run ran; equal environments give equal weights. */
export const environment = z.object({
  product: shortText(32),
  node: shortText(32),
  ort: shortText(32),
  platform: shortText(64),
  arch: shortText(32),
  cpu: shortText(128),
  /** What decides which kernels run: `avx2`, `avx512f`, `avx512_vnni`, ... in order. */
  cpuFlags: z.array(shortText(32)).check(z.maxLength(64)),
  threads: count,
  /** Of package-lock.json; null where the program was installed without one. */
  lockfile: z.nullable(digest),
});
export type Environment = z.infer<typeof environment>;

export const stageState = z.enum(['waiting', 'running', 'done', 'cached', 'skipped', 'failed']);
export type StageState = z.infer<typeof stageState>;

export const runStage = z.object({
  name: z.enum(stageNames),
  state: stageState,
  /** Of the inputs, the settings and the code of the stage: an equal key has an equal result. */
  key: z.nullable(digest),
  ms: z.nullable(z.number()),
  /** What it found, in one sentence. */
  words: shortText(1000),
});
export type RunStage = z.infer<typeof runStage>;

/** A figure with its interval. */
export const estimate = z.object({ value: z.number(), low: z.number(), high: z.number() });
export type Estimate = z.infer<typeof estimate>;

export const sliceReport = z.object({
  column: z.string(),
  value: z.string(),
  count,
  /** Share of the class that is looked for: in truth, and as answered. */
  positives: z.nullable(z.number()),
  answered: z.nullable(estimate),
  /** The metric of the pipeline on this slice. */
  metric: estimate,
  /** Minus that of everybody else; the interval is of the difference. */
  difference: estimate,
});
export type SliceReport = z.infer<typeof sliceReport>;

export const runStatus = z.enum(['RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED']);
export type RunStatus = z.infer<typeof runStatus>;

export const parameterValue = z.union([z.number(), z.string(), z.boolean(), z.null()]);
export type ParameterValue = z.infer<typeof parameterValue>;

export const trial = z.object({
  id: z.string(),
  parameters: z.record(z.string(), parameterValue),
  rung: count,
  /** Share of the full training it has had. */
  budget: z.number(),
  state: z.enum(['waiting', 'running', 'done', 'stopped', 'failed']),
  metric: z.nullable(z.number()),
});
export type Trial = z.infer<typeof trial>;

export const run = z.object({
  id: z.string(),
  model: modelName,
  /** Name of the pipeline; null for a training of the demo's detector. */
  pipeline: z.nullable(modelName),
  status: runStatus,
  jobId: z.nullable(z.string()),
  createdAt: timestampMs,
  createdBy: z.string(),
  finishedAt: z.nullable(timestampMs),
  seed: z.number(),
  code: z.object({
    /** Commit of the program, where it is known; `+changes` behind one whose files differ from it. */
    revision: z.nullable(z.string()),
    /** Of all the code that took part. */
    digest: z.nullable(digest),
  }),
  /** What was read, by the digest of its files and of what its columns are; the rows once a pass over them has counted them. */
  data: z.nullable(z.object({ dataset: z.nullable(modelName), version: z.nullable(versionNumber), digest, rows: z.nullable(count) })),
  /** Everything that was set, flat: `train.trees`. */
  parameters: z.record(shortText(128), parameterValue),
  environment,
  stages: z.array(runStage).check(z.maxLength(16)),
  metrics: z.record(z.string(), z.number()),
  baseline: z.nullable(z.object({ name: z.string(), metrics: z.record(z.string(), z.number()) })),
  weightDigest: z.nullable(z.string()),
  gate: z.nullable(gateVerdict),
  version: z.nullable(versionNumber),
  error: z.nullable(z.object({ code: z.string(), detail: z.string(), hint: z.string() })),
  /** The run it repeats, and whether the same came out. */
  repeats: z.nullable(z.string()),
  verdict: z.nullable(z.object({ identical: z.boolean(), differences: z.array(z.string()).check(z.maxLength(200)) })),
});
export type Run = z.infer<typeof run>;

export const series = z.object({
  name: z.string(),
  /** Step and value; thinned to what a chart can show. */
  points: z.array(z.tuple([z.number(), z.number()])).check(z.maxLength(1000)),
});
export type Series = z.infer<typeof series>;

export const runDetail = z.extend(run, {
  series: z.array(series).check(z.maxLength(32)),
  artifacts: z.array(z.object({ name: z.string(), bytes: count, sha256: digest })).check(z.maxLength(64)),
  /** What each column did for the answers, the largest first: mean |SHAP| or gain, as `method` says. */
  importance: z.nullable(z.object({ method: z.string(), columns: z.array(z.object({ name: z.string(), value: z.number() })).check(z.maxLength(200)) })),
  /** Rows are the truth. */
  confusion: z.nullable(z.object({ labels: z.array(z.string()), counts: z.array(z.array(count)) })),
  intervals: z.record(z.string(), estimate),
  slices: z.array(sliceReport).check(z.maxLength(500)),
  /** What the statistics of this report assume. */
  assumptions: z.array(shortText(500)).check(z.maxLength(16)),
  trials: z.array(trial).check(z.maxLength(1000)),
  log: z.array(z.string()),
});
export type RunDetail = z.infer<typeof runDetail>;

/** One thing in which two runs differ. */
export const runDifference = z.object({
  /** `code`, `data`, `parameter train.trees`, `environment node`, `seed`, ... */
  what: z.string(),
  left: z.string(),
  right: z.string(),
});
export type RunDifference = z.infer<typeof runDifference>;

export const runComparison = z.object({
  left: run,
  right: run,
  sameWeights: z.nullable(z.boolean()),
  differences: z.array(runDifference).check(z.maxLength(1000)),
  metrics: z.array(z.object({ name: z.string(), left: z.nullable(z.number()), right: z.nullable(z.number()), difference: z.nullable(z.number()) })),
});
export type RunComparison = z.infer<typeof runComparison>;

/** The environment of a run beside what the fleet runs: what could make a device answer otherwise. */
export const environmentReport = z.object({
  environment,
  devices: z.array(
    z.object({
      count,
      agent: z.string(),
      runtime: z.string(),
      os: z.string(),
      arch: z.string(),
      cpu: z.string(),
      /** In words; empty where nothing matters. */
      differences: z.array(z.string()),
    }),
  ),
});
export type EnvironmentReport = z.infer<typeof environmentReport>;

export const pipeline = z.object({
  name: modelName,
  description: z.string(),
  trainer: z.string(),
  createdAt: timestampMs,
  updatedAt: timestampMs,
  runs: count,
  last: z.nullable(
    z.object({ id: z.string(), status: runStatus, at: timestampMs, metrics: z.record(z.string(), z.number()), cachedStages: count, stages: count }),
  ),
});
export type Pipeline = z.infer<typeof pipeline>;
