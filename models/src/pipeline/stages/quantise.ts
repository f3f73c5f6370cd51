import { quantiseSettings, type QuantiseSettings } from '@serin/protocol/pipeline';

import { readModel, writeModel } from '../../onnx/model-file.ts';
import type { Model } from '../../onnx/graph.ts';
import { makeVariants, type Variants } from '../../package/make-variants.ts';
import type { Batch } from '../../quantise/batches.ts';
import { answersOf, feederOf, type Feeder } from '../answers.ts';
import { readFacts } from '../facts.ts';
import { betterOf, lossMetricOf, metricsOf, valueOf } from '../metrics.ts';
import { decodeJson, decodePart, encodeJson } from '../part.ts';
import type { Stage, StageContext } from '../stage.ts';
import type { Evaluated } from './evaluate.ts';
import type { ModelFacts } from './train.ts';

const queriesMax = 32;

/** Other forms of the model, those that help: unless the file asks for some, only networks of pictures are made of products that gain by it. */
export const quantise: Stage = {
  name: 'quantise',
  modules: () => [new URL(import.meta.url)],
  settings: ({ file }) => ({ quantise: file.quantise, kind: file.train.kind, seed: file.seed }),
  reads: () => [
    'split/train.bin',
    'split/validation.bin',
    'split/facts.json',
    'split/asked.json',
    'train/model.onnx',
    'train/model.json',
    'evaluate/evaluation.json',
    'evaluate/model.onnx',
  ],
  runtime: true,
  skip: ({ file: { quantise: wish, train } }) => {
    if (wish === 'never') return 'the pipeline says never';
    if (train.kind === 'trees') return 'trees compare numbers, there are no products to quantise';
    return train.kind === 'image-classifier' || wish !== 'auto' ? undefined : `${train.kind} is small already; 8 bits would cost accuracy and win no time`;
  },
  run: async (context) => {
    const model = readModel(await deployedModel(context));
    const { settings, calibration, queries, metric } = await materialOf(context);
    const variants = await makeVariants(
      { model, settings, calibration, queries, metric, seed: context.plan.file.seed },
      {
        threads: context.threads,
        signal: context.signal,
        onProgress: (fraction, words) => context.progress(fraction, words),
        onNote: context.note,
      },
    );
    const { files, made } = variants;
    const beside = [...files].filter(([variant]) => variant !== 'fp32');
    return {
      words: wordsOf(variants),
      skipped: beside.length === 0,
      outputs: { 'variants.json': encodeJson(made), ...Object.fromEntries(beside.map(([variant, bytes]) => [`model.${variant}.onnx`, bytes])) },
    };
  },
};

interface Material {
  readonly settings: QuantiseSettings;
  readonly calibration: readonly Batch[];
  readonly queries: readonly Batch[];
  readonly metric: (model: Model) => Promise<number>;
}

/** Ranges come from records that were learnt from, and what is lost is looked at on the validation part: the test part is the gate's. */
async function materialOf(context: StageContext): Promise<Material> {
  const facts = await readFacts(context);
  const { preprocessing: read } = decodeJson<ModelFacts>(await context.read('train/model.json'));
  const preprocessing = read ?? undefined;
  const evaluated = decodeJson<Evaluated>(await context.read('evaluate/evaluation.json'));
  const train = decodePart(await context.read('split/train.bin'));
  const validation = decodePart(await context.read('split/validation.bin'));
  const wish = context.plan.file.quantise;
  const settings = typeof wish === 'string' ? quantiseSettings.parse({}) : wish;
  const lost = lossMetricOf(evaluated.metric);
  return {
    settings,
    calibration: singles(feederOf(preprocessing, train, facts.frame), Math.min(settings.samples, train.rows)),
    queries: singles(feederOf(preprocessing, validation, facts.frame), Math.min(queriesMax, validation.rows)),
    metric: async (model) => {
      const answers = await answersOf(writeModel(model), preprocessing, validation, facts.frame, { signal: context.signal });
      const value = valueOf(metricsOf(answers, validation.labels, facts, evaluated.deciding)[lost], validation.rows);
      return betterOf(lost) === 'higher' ? value : -value;
    },
  };
}

const singles = (feeder: Feeder, count: number): Batch[] => Array.from({ length: count }, (_, row) => ({ ...feeder(row, row + 1) }));

function wordsOf({ made }: Variants): string {
  const float = made.find(({ variant }) => variant === 'fp32')?.bytes ?? 1;
  return made
    .filter(({ variant }) => variant !== 'fp32')
    .map(({ variant, bytes, time, leftOut }) => {
      if (leftOut !== undefined) return leftOut;
      const faster = time === undefined ? '' : `, ${(1 / time.value).toFixed(2)} times as fast here`;
      return `${variant}: ${Math.round((100 * bytes) / float)} % of the size${faster}`;
    })
    .join('; ');
}

/** Calibrated where that helped. */
export const deployedModel = (context: StageContext): Promise<Uint8Array> =>
  context.read(context.has('evaluate/model.onnx') ? 'evaluate/model.onnx' : 'train/model.onnx');
