import { textPreparer, type TextRecord, type TextTensors } from '@serin/inference/text/prepare';
import type { TextPreprocessing } from '@serin/protocol/bundle/preprocessing';
import { SerinError } from '@serin/protocol/errors';

import type { Model } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import { throwIfCancelled } from '../train/cancellation.ts';

export interface TextModel {
  /** Probabilities of the classes, one text after the other. */
  predict(texts: readonly TextRecord[], signal?: AbortSignal): Promise<Float32Array>;
  /** The same of what is prepared already. */
  run(tensors: TextTensors): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Rows are as wide as the longest of a batch. */
const textsAtOnce = 32;

export async function openTextModel(model: Model, preprocessing: TextPreprocessing, threads = 1): Promise<TextModel> {
  const classes = model.graph.outputs.find(({ name }) => name === 'probabilities')?.dims[1];
  if (typeof classes !== 'number') throw new SerinError('MODEL_INVALID', { detail: 'a text model gives `probabilities` of a fixed number of classes' });
  const session = await openSession(writeModel(model), { threads });
  const preparer = textPreparer(preprocessing);
  const run = async (tensors: TextTensors): Promise<Float32Array> => {
    const feeds = Object.fromEntries(Object.entries(tensors).map(([name, { type, data, dims }]) => [name, runtimeTensor(type, data, dims)]));
    return (await session.run(feeds))['probabilities']?.data as Float32Array;
  };
  return {
    run,
    predict: async (texts, signal) => {
      const probabilities = new Float32Array(texts.length * classes);
      for (let from = 0; from < texts.length; from += textsAtOnce) {
        throwIfCancelled(signal);
        const some = texts.slice(from, from + textsAtOnce).map(preparer.words);
        probabilities.set(await run(preparer.tensors(some)), from * classes);
      }
      return probabilities;
    },
    close: () => session.release(),
  };
}
