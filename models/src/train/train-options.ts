import type { BatchSource } from '../data/batch-source.ts';
import type { Model } from '../onnx/graph.ts';
import type { BatchModule } from './batch-feed.ts';
import type { Judgement, Validation } from './early-stopping.ts';
import type { LossPoint } from './loss-history.ts';
import type { Loss } from './losses.ts';
import type { Optimiser } from './optimiser.ts';
import type { TrainProgress } from './progress.ts';
import type { Schedule } from './schedule.ts';

export interface CheckpointOptions {
  /** Where checkpoints lie; one folder a run. A run that finds one there goes on from it. */
  readonly folder: string;
  readonly everySteps?: number;
  /** Every half a minute, unless either is said. */
  readonly everySeconds?: number;
}

export interface TrainOptions {
  readonly model: Model;
  readonly loss: Loss;
  /** Names of the initialisers that learn; those of layers unless said otherwise. */
  readonly trainable?: readonly string[];
  /** Batch normalisation goes on by the statistics it has, for fine-tuning on small batches. */
  readonly frozenNorms?: boolean;
  /** Sizes of free dimensions of the inputs; the first of each is the batch. */
  readonly dimensions?: Readonly<Record<string, number>>;
  /** Batches are made in this thread, or by a module in a thread of its own. */
  readonly source: BatchSource | BatchModule;
  readonly batch: number;
  readonly epochs: number;
  /** The highest learning rate. */
  readonly rate: number;
  readonly schedule?: Schedule;
  readonly optimiser?: Optimiser;
  readonly clipNorm?: number;
  /** The trained model gets a running average of the weights, of about 1 / (1 - this) steps. */
  readonly averaging?: number;
  readonly validate?: Validation;
  readonly checkpoint?: CheckpointOptions;
  /** Says which data the source hands out; a checkpoint of other data is refused. */
  readonly dataDigest?: string;
  readonly seed: number;
  readonly threads?: number;
  /** Called at the first step, the last one, and about twice a second between; what it throws ends the run. */
  readonly onProgress?: (progress: TrainProgress) => void;
  /** Reports after so many steps too. */
  readonly reportEvery?: number;
  readonly reportEveryMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from any origin; speeds and the times of checkpoints depend on it, weights never. */
  readonly now?: () => number;
}

export interface TrainResult {
  readonly model: Model;
  /** Digest of the model's weights: equal runs give equal digests. */
  readonly digest: string;
  /** Steps that were taken, before and after a resumption. */
  readonly steps: number;
  /** Whether the run went to its end or was spent: no longer getting better. */
  readonly stopped: 'finished' | 'early';
  /** The mean loss of the last report. */
  readonly loss: number;
  readonly history: readonly LossPoint[];
  /** The judgement of the model returned, where there is a validation. */
  readonly best?: Judgement;
  readonly examplesSeen: number;
  /** Of this process and those before it. */
  readonly seconds: number;
  /** The step of the checkpoint that the run went on from. */
  readonly resumedFrom?: number;
  /** Damaged checkpoints that were passed over for an older one, and what is wrong with them. */
  readonly passedOver?: readonly string[];
}
