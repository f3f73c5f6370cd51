import type { TextRecord } from '@serin/inference/text/prepare';

import { groupFolds, splitFold } from '../evaluate/folds.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import { pickExamples, type TextExamples } from './examples.ts';
import { openTextModel } from './open-text-model.ts';
import type { TextTraining, TrainedText } from './training.ts';

export interface CrossValidation<Trained extends TrainedText> {
  readonly examples: TextExamples;
  readonly classes: readonly string[];
  /** Texts of one number are in one fold. */
  readonly groups: ArrayLike<number>;
  readonly folds: number;
  readonly seed: number;
  /** Learns from all but one fold; settings are chosen inside. */
  train(part: TextTraining, fold: number): Promise<Trained>;
  readonly onFold?: (judged: JudgedFold<Trained>) => void;
  readonly threads?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface JudgedFold<Trained extends TrainedText> {
  readonly fold: number;
  readonly trained: Trained;
  readonly trainSeconds: number;
  /** Numbers of the examples that were judged. */
  readonly indices: readonly number[];
  readonly probabilities: Float32Array;
}

export interface CrossValidated<Trained extends TrainedText> {
  readonly folds: readonly JudgedFold<Trained>[];
  /** Of every example by the model that has not seen it. */
  readonly probabilities: Float32Array;
}

/** Every text is judged once, by a model that learnt neither from it nor from any that is nearly the same. */
export async function crossValidate<Trained extends TrainedText>(options: CrossValidation<Trained>): Promise<CrossValidated<Trained>> {
  const { examples, classes, groups, folds, seed, signal } = options;
  const dealt = groupFolds({ folds, groups, labels: examples.labels, seed });
  const probabilities = new Float32Array(examples.texts.length * classes.length);
  const judged: JudgedFold<Trained>[] = [];
  for (let fold = 0; fold < folds; fold += 1) {
    throwIfCancelled(signal);
    const { inside, outside } = splitFold(dealt, fold);
    const part = { ...pickExamples(examples, outside), classes, groups: outside.map((index) => groups[index] ?? 0), seed, signal };
    const began = performance.now();
    const trained = await options.train(part, fold);
    const trainSeconds = (performance.now() - began) / 1000;
    const own = await judge(trained, pickExamples(examples, inside).texts, options);
    inside.forEach((index, place) => probabilities.set(own.subarray(place * classes.length, (place + 1) * classes.length), index * classes.length));
    const result = { fold, trained, trainSeconds, indices: inside, probabilities: own };
    judged.push(result);
    options.onFold?.(result);
  }
  return { folds: judged, probabilities };
}

async function judge(
  { model, preprocessing }: TrainedText,
  texts: readonly TextRecord[],
  { threads = 1, signal }: { readonly threads?: number; readonly signal?: AbortSignal | undefined },
): Promise<Float32Array> {
  const opened = await openTextModel(model, preprocessing, threads);
  try {
    return await opened.predict(texts, signal);
  } finally {
    await opened.close();
  }
}
