import { z } from 'zod/mini';
import { dataSpec, datasetName, inputFilesMax } from './api/datasets.ts';
import { modelName, versionNumber } from './ids.ts';

/**
 * A pipeline as its file declares it: data only, so that the same file runs on a desk and on a server, nothing in it can be
 * executed, and an editor checks it while it is written (`serin pipeline init` puts its JSON Schema beside it).
 */
const columnName = z.string().check(z.minLength(1), z.maxLength(128));
const share = z.number().check(z.gte(0), z.lte(1));
const whole = (least: number, most: number) => z.int().check(z.gte(least), z.lte(most));
const between = (least: number, most: number) => z.number().check(z.gte(least), z.lte(most));

/** As the wire has it, but a misspelt name is told instead of dropped. */
const spec = z.strictObject(dataSpec.shape);

export const pipelineName = modelName;

export const treesSettings = z.strictObject({
  kind: z.literal('trees'),
  trees: z._default(whole(1, 5000), 300),
  leaves: z._default(whole(2, 1024), 31),
  depthMax: z.optional(whole(1, 64)),
  learningRate: z._default(between(1e-4, 1), 0.1),
  rowShare: z._default(between(0.05, 1), 1),
  columnShare: z._default(between(0.05, 1), 1),
  leafRowsMin: z._default(whole(1, 1_000_000), 20),
  l2: z._default(between(0, 1e6), 1),
  /** Trees without progress on the validation rows before it stops; 0 never stops. */
  patience: z._default(whole(0, 1000), 30),
  /** Makes a rare class count as much as a frequent one. */
  balanced: z._default(z.boolean(), false),
});

export const linearSettings = z.strictObject({ kind: z.literal('linear'), l2: z._default(between(0, 1e6), 1), balanced: z._default(z.boolean(), false) });

export const textLinearSettings = z.strictObject({
  kind: z.literal('text-linear'),
  wordGrams: z._default(whole(1, 3), 2),
  /** Longest run of letters that counts; 0 leaves letters out. */
  letterGrams: z._default(whole(0, 6), 0),
  bucketBits: z._default(whole(8, 20), 17),
  l2: z._default(between(0, 1e6), 1),
  balanced: z._default(z.boolean(), false),
});

export const textConvSettings = z.strictObject({
  kind: z.literal('text-conv'),
  bucketBits: z._default(whole(8, 18), 14),
  width: z._default(whole(4, 512), 64),
  filters: z._default(whole(4, 1024), 128),
  tokensMax: z._default(whole(8, 2048), 256),
  epochs: z._default(whole(1, 200), 8),
  learningRate: z._default(between(1e-6, 1), 1e-3),
});

/** A small convolutional classifier of pictures in folders. */
export const imageSettings = z.strictObject({
  kind: z.literal('image-classifier'),
  size: z._default(whole(8, 512), 64),
  channels: z._default(z.union([z.literal(1), z.literal(3)]), 3),
  width: z._default(whole(4, 256), 16),
  epochs: z._default(whole(1, 1000), 20),
  learningRate: z._default(between(1e-6, 1), 3e-3),
  augment: z._default(z.boolean(), true),
  /** Puts out random features of what the network makes of a picture beside its answer, so that drift shows that no statistic of pixels does. */
  embedding: z._default(z.boolean(), true),
});

const singleTrainer = z.discriminatedUnion('kind', [treesSettings, linearSettings, textLinearSettings, textConvSettings, imageSettings]);

/** Several models whose answers are averaged, as one graph. */
export const ensembleSettings = z.strictObject({ kind: z.literal('ensemble'), members: z.array(singleTrainer).check(z.minLength(2), z.maxLength(16)) });

export const trainerSettings = z.discriminatedUnion('kind', [
  treesSettings,
  linearSettings,
  textLinearSettings,
  textConvSettings,
  imageSettings,
  ensembleSettings,
]);
export type TrainerSettings = z.infer<typeof trainerSettings>;
export type TrainerKind = TrainerSettings['kind'];

/** Where a parameter may lie; `log` spreads its trials evenly over magnitudes. */
export const searchRange = z.union([
  z.strictObject({ from: z.number(), to: z.number(), log: z._default(z.boolean(), false), whole: z._default(z.boolean(), false) }),
  z.strictObject({ oneOf: z.array(z.union([z.number(), z.string(), z.boolean()])).check(z.minLength(1), z.maxLength(64)) }),
]);
export type SearchRange = z.infer<typeof searchRange>;

export const searchSettings = z.strictObject({
  /** `asha`: all trials get a little, the best of them more; `random`: every trial gets everything. */
  method: z._default(z.enum(['random', 'asha']), 'asha'),
  trials: z._default(whole(2, 500), 16),
  /** Of the share that goes on at each rung: one in so many. */
  keepOneIn: z._default(whole(2, 8), 3),
  /** Trees or epochs of the first rung, as a share of all. */
  firstShare: z._default(between(0.01, 1), 0.1),
  /** Names of parameters of `train`. */
  space: z.record(z.string().check(z.maxLength(64)), searchRange),
});
export type SearchSettings = z.infer<typeof searchSettings>;

export const metricName = z.enum(['accuracy', 'auc', 'averagePrecision', 'f1', 'precision', 'recall', 'logLoss', 'brier', 'ece', 'cost', 'rmse', 'mae', 'r2']);
export type MetricName = z.infer<typeof metricName>;

/** What is tried, one after the other, where 8 bits cost more than they may. */
export const recoverySteps = ['exclude', 'bias', 'equalise', 'fine-tune'] as const;
export const calibrators = ['auto', 'min-max', 'moving-average', 'percentile', 'entropy', 'mse'] as const;

export const quantiseSettings = z.strictObject({
  /** Made beside float, and kept where they pass the gate. */
  variants: z._default(z.array(z.enum(['fp16', 'u8s8', 'u8u8', 'dyn8', 'w8', 'w4'])).check(z.minLength(1), z.maxLength(6)), ['u8s8', 'u8u8']),
  calibrator: z._default(z.enum(calibrators), 'auto'),
  /** Examples whose values set the ranges. */
  samples: z._default(whole(1, 10_000), 128),
  /** Of the metric, as a share of what float reaches. */
  lossMax: z._default(share, 0.003),
  recover: z._default(z.array(z.enum(recoverySteps)).check(z.maxLength(recoverySteps.length)), [...recoverySteps]),
});
export type QuantiseSettings = z.infer<typeof quantiseSettings>;

/** What a version must reach; docs/gates.md says how each is judged. */
export const gateSettings = z.strictObject({
  limits: z._default(z.partialRecord(metricName, z.strictObject({ min: z.optional(z.number()), max: z.optional(z.number()) })), {}),
  /** A first version must be better than the baseline, by the lower end of the interval. */
  beatBaseline: z._default(z.boolean(), true),
  /** How much worse than the serving version it may be, by the lower end of the interval. */
  inferiorityMax: z._default(share, 0.02),
  /** Of the metric of a variant against float on the same records, as a share. What loses more is left out. */
  quantisationLossMax: z._default(share, 0.003),
  /** Expected calibration error of classifiers, beyond what chance makes of so many records. */
  calibrationErrorMax: z._default(share, 0.1),
  /** The metric on each value of `evaluate.slices`; a slice fails where its interval leaves no doubt. */
  slices: z.optional(
    z.strictObject({
      min: z.optional(z.number()),
      max: z.optional(z.number()),
      /** How much worse than everybody else. */
      dropMax: z.optional(between(0, 1e12)),
    }),
  ),
  /** How much of the metric a kind of perturbation may cost, at any severity that is measured or up to one. */
  robustness: z.optional(
    z.record(z.string().check(z.minLength(1), z.maxLength(40)), z.strictObject({ dropMax: between(0, 1e12), severityMax: z.optional(between(0, 1e6)) })),
  ),
  /** 90th percentile of one question after the other on the machine that packages, of the fastest variant. */
  latencyMsMax: z.optional(between(1e-6, 1e6)),
  /** Of the process, by that variant. */
  memoryBytesMax: z.optional(whole(1, 2 ** 40)),
  /** Of the largest variant. */
  modelBytesMax: z._default(whole(1, 512 * 1024 * 1024), 64 * 1024 * 1024),
});
export type GateSettings = z.infer<typeof gateSettings>;

export const pipelineFile = z.strictObject({
  $schema: z.optional(z.string().check(z.maxLength(2048))),
  v: z.literal(1),
  /** Also the name of the model it makes. */
  name: pipelineName,
  description: z._default(z.string().check(z.maxLength(2000)), ''),
  seed: z._default(whole(0, 4_294_967_295), 1),
  /** Files beside the pipeline, or a dataset of the server (its newest version where none is named). */
  ingest: z.union([
    z.strictObject({
      files: z.array(z.string().check(z.minLength(1), z.maxLength(1024))).check(z.minLength(1), z.maxLength(inputFilesMax)),
      spec,
    }),
    z.strictObject({ dataset: datasetName, version: z.optional(versionNumber), spec: z.optional(spec) }),
  ]),
  validate: z._default(
    z.strictObject({
      /** A schema file beside the pipeline; found out from the training part where none is named. */
      schema: z.optional(z.string().check(z.minLength(1), z.maxLength(1024))),
      /** Kinds of anomalies a person has looked at and accepts. */
      accept: z._default(z.array(z.string().check(z.maxLength(40))).check(z.maxLength(100)), []),
    }),
    { accept: [] },
  ),
  split: z._default(z.strictObject({ validation: z._default(between(0.01, 0.5), 0.15), test: z._default(between(0.01, 0.5), 0.15) }), {
    validation: 0.15,
    test: 0.15,
  }),
  task: z._default(z.enum(['classification', 'regression']), 'classification'),
  /** The class that is looked for, where there are two. */
  positive: z.optional(z.string().check(z.maxLength(256))),
  train: trainerSettings,
  search: z.optional(searchSettings),
  evaluate: z._default(
    z.strictObject({
      /** What versions, trials and the baseline are compared by; AUC, log loss or RMSE where nothing is said. */
      metric: z.optional(metricName),
      /** Columns whose values are looked at one by one, with intervals. */
      slices: z._default(z.array(columnName).check(z.maxLength(16)), []),
      /** What a mistake costs: truth, then answer. The threshold is chosen on the validation part to cost least. */
      costs: z.optional(z.record(z.string().check(z.maxLength(256)), z.record(z.string().check(z.maxLength(256)), between(0, 1e12)))),
      /** What costs are counted in, as the report writes it: `EUR` say. */
      costUnit: z.optional(z.string().check(z.minLength(1), z.maxLength(32))),
      /** Repeats of the bootstrap. */
      repeats: z._default(whole(100, 10_000), 1000),
    }),
    { slices: [], repeats: 1000 },
  ),
  quantise: z._default(z.union([z.enum(['auto', 'never']), quantiseSettings]), 'auto'),
  gate: z._default(gateSettings, {
    limits: {},
    beatBaseline: true,
    inferiorityMax: 0.02,
    quantisationLossMax: 0.003,
    calibrationErrorMax: 0.1,
    modelBytesMax: 64 * 1024 * 1024,
  }),
});
export type PipelineFile = z.infer<typeof pipelineFile>;
/** As it is written: what has a usual value may be left out. */
export type PipelineInput = z.input<typeof pipelineFile>;
export const pipelineFileBytesMax = 256 * 1024;

export const stageNames = ['ingest', 'validate', 'split', 'search', 'train', 'evaluate', 'quantise', 'gate', 'package'] as const;
export type StageName = (typeof stageNames)[number];
