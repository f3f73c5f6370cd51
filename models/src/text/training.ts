import type { TextRecord } from '@serin/inference/text/prepare';
import type { TextPreprocessing } from '@serin/protocol/bundle/preprocessing';

import type { Model } from '../onnx/graph.ts';
import type { TextExamples } from './examples.ts';

export interface TextTraining {
  readonly texts: readonly TextRecord[];
  /** The index of each text's class. */
  readonly labels: ArrayLike<number>;
  readonly classes: readonly string[];
  /** What settings are chosen and probabilities calibrated by. Without it a fifth of the texts is set aside for that, and learnt from afterwards. */
  readonly validation?: TextExamples | undefined;
  /** Texts of one number are not divided between learning and judging; near-duplicates are found unless they are given. */
  readonly groups?: ArrayLike<number> | undefined;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

export interface TrainedText {
  /** To `probabilities` [N, classes]. */
  readonly model: Model;
  readonly preprocessing: TextPreprocessing;
  /** Digest of the model's weights: equal trainings give equal digests. */
  readonly weightDigest: string;
  /** What scores were divided by; it is part of the weights already. */
  readonly temperature: number;
  /** Of texts that were not learnt from at the time: mean of minus the logarithm of what the true class was given. */
  readonly validationLoss: number;
}
