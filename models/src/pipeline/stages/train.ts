import path from 'node:path';

import { sha256 } from '@serin/protocol/digest';
import type { ParameterValue } from '@serin/protocol/api/runs';
import type { TrainerSettings } from '@serin/protocol/pipeline';

import { writeModel } from '../../onnx/model-file.ts';
import { countParameters } from '../../train/weights.ts';
import { decodeJson, decodePart, encodeJson, type LearningFacts } from '../part.ts';
import type { Plan, Stage, StageContext } from '../stage.ts';
import { trainerModules, trainModel } from '../trainers/table.ts';
import type { TrainedModel, Training } from '../trainers/trainer.ts';

/** What a trained model is, beside its graph. */
export interface ModelFacts {
  readonly preprocessing: TrainedModel['preprocessing'] | null;
  readonly weightDigest: string;
  readonly parameters: number;
  readonly importance: TrainedModel['importance'] | null;
}

/** What the model must be better than: another model, or answers that look at nothing. */
export interface BaselineFacts {
  readonly name: string;
  readonly preprocessing: TrainedModel['preprocessing'] | null;
  /** Shares of the classes, or the mean, of the training part; null where it is a model. */
  readonly constant: readonly number[] | null;
}

/** The stronger of the usual simple ones: linear where there is one and it is not the model itself. */
function baselineOf({ train }: Plan['file']): TrainerSettings | undefined {
  const kinds = train.kind === 'ensemble' ? train.members.map(({ kind }) => kind) : [train.kind];
  if (kinds.includes('trees')) return { kind: 'linear', l2: 1, balanced: false };
  if (kinds.includes('text-conv')) return { kind: 'text-linear', wordGrams: 1, letterGrams: 0, bucketBits: 17, l2: 1, balanced: false };
  return undefined;
}

export const train: Stage = {
  name: 'train',
  modules: ({ file, trial }) => {
    const baseline = trial ? undefined : baselineOf(file);
    return [new URL(import.meta.url), ...trainerModules(file.train), ...(baseline === undefined ? [] : trainerModules(baseline))];
  },
  settings: ({ file: { train: settings, seed, task }, trial }) => ({ settings, seed, task, trial }),
  reads: ({ file, trial }) => [
    'split/train.bin',
    'split/validation.bin',
    'split/facts.json',
    ...(file.search === undefined || trial ? [] : (['search/best.json'] as const)),
  ],
  runtime: true,
  run: async (context) => {
    const { plan } = context;
    const settings = await chosenSettings(context);
    const training = await trainingOf(context);
    const trained = await trainModel(settings, training);
    const outputs: Record<string, Uint8Array> = {
      'model.onnx': writeModel(trained.model),
      'model.json': encodeJson({
        preprocessing: trained.preprocessing ?? null,
        weightDigest: trained.weightDigest,
        parameters: trained.parameters ?? countParameters(trained.model),
        importance: trained.importance ?? null,
      } satisfies ModelFacts),
      ...(trained.explainer === undefined ? {} : { 'explainer.bin': trained.explainer }),
    };
    const baseline = plan.trial ? undefined : await trainBaseline(training, outputs);
    return {
      words: baseline === undefined ? trained.words : `${trained.words}; beside it ${baseline}`,
      outputs,
      report: { weightDigest: trained.weightDigest },
      facts: { weightDigest: trained.weightDigest, model: await sha256(outputs['model.onnx'] as Uint8Array) },
    };
  },
};

async function chosenSettings(context: StageContext): Promise<TrainerSettings> {
  const { file, trial } = context.plan;
  if (file.search === undefined || trial) return file.train;
  return { ...file.train, ...decodeJson<Record<string, ParameterValue>>(await context.read('search/best.json')) } as TrainerSettings;
}

async function trainingOf(context: StageContext): Promise<Training> {
  return {
    facts: decodeJson<LearningFacts>(await context.read('split/facts.json')),
    train: decodePart(await context.read('split/train.bin')),
    validation: decodePart(await context.read('split/validation.bin')),
    seed: context.plan.file.seed,
    workFolder: path.join(context.workFolder, 'model'),
    context,
  };
}

/** Adds the baseline to the outputs; says what it is. */
async function trainBaseline(training: Training, outputs: Record<string, Uint8Array>): Promise<string> {
  const { facts, train: part, context } = training;
  const settings = baselineOf((context as StageContext).plan.file);
  if (settings === undefined) {
    const name = facts.task === 'regression' ? 'mean' : 'majority';
    outputs['baseline.json'] = encodeJson({ name, preprocessing: null, constant: constantOf(part.labels, facts) } satisfies BaselineFacts);
    return name === 'mean' ? 'the mean of the training part' : 'the shares of the classes in the training part';
  }
  const quiet = { ...context, point: () => {}, note: () => {}, progress: (_: number | null, message: string) => context.progress(1, `baseline: ${message}`) };
  const { model, preprocessing, words } = await trainModel(settings, {
    ...training,
    workFolder: path.join(path.dirname(training.workFolder), 'baseline'),
    context: quiet,
  });
  outputs['baseline.onnx'] = writeModel(model);
  outputs['baseline.json'] = encodeJson({ name: settings.kind, preprocessing: preprocessing ?? null, constant: null } satisfies BaselineFacts);
  return `the baseline, ${words}`;
}

function constantOf(labels: Float64Array, { task, labels: classes }: LearningFacts): number[] {
  if (task === 'regression') return [labels.reduce((sum, value) => sum + value, 0) / labels.length];
  const counts = classes.map(() => 0);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts.map((count) => count / labels.length);
}
