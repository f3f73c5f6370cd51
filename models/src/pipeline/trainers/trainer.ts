import type { Preprocessing } from '@serin/protocol/bundle/preprocessing';
import type { TrainerSettings } from '@serin/protocol/pipeline';

import type { Model } from '../../onnx/graph.ts';
import type { LearningFacts, Part } from '../part.ts';
import type { StageContext } from '../stage.ts';

/** What every trainer gets. Nothing of the test part is among it. */
export interface Training {
  readonly facts: LearningFacts;
  readonly train: Part;
  readonly validation: Part;
  readonly seed: number;
  /** Of this training alone, also among members of an ensemble. */
  readonly workFolder: string;
  readonly context: Pick<StageContext, 'threads' | 'checkpointSeconds' | 'signal' | 'progress' | 'point' | 'note' | 'now'>;
}

export interface TrainedModel {
  /** To `probabilities` [N, classes] or `value` [N, 1]. */
  readonly model: Model;
  /** A model of pictures needs none. */
  readonly preprocessing?: Preprocessing;
  readonly weightDigest: string;
  /** Where the model has more numbers than were learnt. */
  readonly parameters?: number;
  /** What each column did for the answers, if the trainer knows. */
  readonly importance?: { readonly method: string; readonly columns: readonly { readonly name: string; readonly value: number }[] };
  /** What explains an answer on a device, as the file of role `explainer` has it. */
  readonly explainer?: Uint8Array;
  readonly words: string;
}

export interface Trainer<Kind extends TrainerSettings['kind'] = TrainerSettings['kind']> {
  readonly train: (settings: Extract<TrainerSettings, { kind: Kind }>, training: Training) => Promise<TrainedModel>;
}
