import type { Random } from '@serin/inference/random';
import { textPreparer, type TextRecord } from '@serin/inference/text/prepare';
import type { TextPreprocessing } from '@serin/protocol/bundle/preprocessing';
import { sha256 } from '@serin/protocol/digest';
import { SerinError } from '@serin/protocol/errors';

import { arraySource } from '../data/array-source.ts';
import type { BatchSource } from '../data/batch-source.ts';
import type { Model, Tensor } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import type { LossPoint } from '../train/loss-history.ts';
import { softmaxCrossEntropy } from '../train/losses.ts';
import { adam } from '../train/optimiser.ts';
import { train, type TrainOptions, type TrainProgress } from '../train/train.ts';
import { weightDigest, withWeights } from '../train/weights.ts';
import { crossEntropyOf, fitTemperature } from '../deploy/temperature.ts';
import { convNetwork, type ConvShape } from './conv.ts';
import { checkExamples, checkFields, holdOut } from './examples.ts';
import type { TextTraining, TrainedText } from './training.ts';

export interface TextConvOptions extends Partial<ConvShape> {
  readonly epochs?: number;
  readonly batch?: number;
  readonly rate?: number;
  /** Judgements in a row, one an epoch, that may be no better before the training ends. */
  readonly patience?: number;
  /** Share of the words that are left out, others each time: 0.5 of long texts, 0.3 of short ones unless said. */
  readonly wordDropout?: number;
  readonly classWeights?: readonly number[];
  readonly checkpoint?: TrainOptions['checkpoint'];
}

export interface TrainTextConv extends TextTraining {
  readonly preprocessing: TextPreprocessing;
  readonly options?: TextConvOptions;
  readonly threads?: number;
  readonly onProgress?: ((progress: TrainProgress) => void) | undefined;
}

export interface TrainedTextConv extends TrainedText {
  readonly history: readonly LossPoint[];
  readonly steps: number;
}

/** Words as vectors that are learnt, runs of them as filters, the strongest answer of each: a small network for texts whose order counts. */
export async function trainTextConv(training: TrainTextConv): Promise<TrainedTextConv> {
  const { texts, labels, classes, preprocessing, options = {}, threads = 1, seed, signal } = training;
  const { output } = preprocessing;
  if (output.kind !== 'tokens')
    throw new SerinError('CONFIG_INVALID', { detail: `the convolutional model eats tokens, its preprocessing makes ${output.kind}` });
  checkExamples({ texts, labels }, classes, 'texts', { complete: true });
  checkFields(texts, preprocessing, 'texts');
  if (training.validation !== undefined) checkExamples(training.validation, classes, 'validation', { complete: false });
  const { rest, held } =
    training.validation === undefined
      ? holdOut({ texts, labels }, preprocessing, seed, training.groups)
      : { rest: { texts, labels }, held: training.validation };

  const { epochs = 20, batch = 64, rate = 4e-3, patience = 4, classWeights } = options;
  // Found on mails and on posts: of a long text much may be missing.
  const wordDropout = options.wordDropout ?? (output.length < 128 ? 0.3 : 0.5);
  const heldTokens = tokensOf(held.texts, preprocessing);
  const network = convNetwork({ ...options, rows: 2 ** output.bits, length: output.length, classes: classes.length }, seed);
  const tokens = tokensOf(rest.texts, preprocessing);
  const targets = oneHot(rest.labels, classes.length);
  const source = arraySource({
    feeds: { tokens },
    targets: { targets },
  });
  const result = await train({
    model: network,
    loss: softmaxCrossEntropy({ logits: 'logits', ...(classWeights === undefined ? {} : { classWeights }) }),
    optimiser: adam({ decay: 0.01 }),
    source: droppingWords(source, wordDropout),
    batch: Math.min(batch, rest.texts.length),
    epochs,
    rate,
    averaging: 0.98,
    clipNorm: 1,
    validate: {
      run: async (model) => crossEntropyOf(await logitsOf(model, heldTokens, threads), held.labels, classes.length),
      better: 'lower',
      patience,
    },
    seed,
    dataDigest: await digestOf([tokens, targets, heldTokens, oneHot(held.labels, classes.length)]),
    threads,
    signal,
    ...(options.checkpoint === undefined ? {} : { checkpoint: options.checkpoint }),
    ...(training.onProgress === undefined ? {} : { onProgress: training.onProgress }),
  });
  const scores = await logitsOf(result.model, heldTokens, threads);
  const temperature = fitTemperature(scores, held.labels, classes.length);
  const model = cooled(result.model, temperature);
  return {
    model,
    preprocessing,
    weightDigest: await weightDigest(model),
    temperature,
    validationLoss: crossEntropyOf(scores, held.labels, classes.length, temperature),
    history: result.history,
    steps: result.steps,
  };
}

function tokensOf(texts: readonly TextRecord[], preprocessing: TextPreprocessing): Tensor<'int64'> {
  const preparer = textPreparer(preprocessing);
  return preparer.tensors(texts.map(preparer.words))['tokens'] as Tensor<'int64'>;
}

function oneHot(labels: ArrayLike<number>, classes: number): Tensor<'float32'> {
  const data = new Float32Array(labels.length * classes);
  for (let row = 0; row < labels.length; row += 1) data[row * classes + (labels[row] ?? 0)] = 1;
  return { type: 'float32', dims: [labels.length, classes], data };
}

/** A checkpoint is gone on from only with the texts it has learnt from. */
async function digestOf(tensors: readonly Tensor[]): Promise<string> {
  const parts = tensors.map(({ data: { buffer, byteOffset, byteLength } }) => sha256(new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength)));
  return sha256(new TextEncoder().encode((await Promise.all(parts)).join()));
}

/** The same examples, some words of which are missing each time. */
function droppingWords(source: BatchSource, share: number): BatchSource {
  if (share === 0) return source;
  return {
    ...source,
    fill: async (indices, random: Random) => {
      const batch = await source.fill(indices, random);
      const data = batch.feeds['tokens']?.data as BigInt64Array;
      const limit = share * 2 ** 32;
      for (let index = 0; index < data.length; index += 1) if (random.bits() < limit) data[index] = 0n;
      return batch;
    },
  };
}

const rowsAtOnce = 256;

/** The scores before the softmax, which the deployed model does not give away. */
async function logitsOf(model: Model, { dims, data }: Tensor<'int64'>, threads: number): Promise<Float32Array> {
  const [count = 0, length = 0] = dims;
  const classes = model.graph.outputs[0]?.dims[1] as number;
  const outputs = [{ name: 'logits', type: 'float32' as const, dims: ['N', classes] }];
  const session = await openSession(writeModel({ ...model, graph: { ...model.graph, outputs } }), { threads });
  try {
    const scores = new Float32Array(count * classes);
    for (let from = 0; from < count; from += rowsAtOnce) {
      const to = Math.min(count, from + rowsAtOnce);
      const { logits } = await session.run({ tokens: runtimeTensor('int64', data.subarray(from * length, to * length), [to - from, length]) });
      scores.set(logits?.data as Float32Array, from * classes);
    }
    return scores;
  } finally {
    await session.release();
  }
}

/** The temperature as part of the last layer's weights. */
function cooled(model: Model, temperature: number): Model {
  const scaled = ['scores.weight', 'scores.bias'].map((name) => {
    const { dims, data } = model.graph.initialisers.get(name) as Tensor<'float32'>;
    return [name, { type: 'float32' as const, dims, data: data.map((value) => value / temperature) }] as const;
  });
  return withWeights(model, new Map(scaled));
}
