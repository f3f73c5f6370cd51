import type { Random } from '@serin/inference/random';

import type { Tensor } from '../onnx/graph.ts';

/** What one training step eats: a tensor per input of the model, and one per target of the loss. The first dimension counts examples. */
export interface Batch {
  readonly feeds: Record<string, Tensor>;
  readonly targets: Record<string, Tensor>;
}

/**
 * Examples by number, handed out a batch at a time. A batch depends on the indices and on `random` alone, never
 * on what was asked before, so a resumed run sees the same bytes as one that never stopped.
 */
export interface BatchSource {
  readonly examples: number;
  fill(indices: Int32Array, random: Random): Promise<Batch> | Batch;
  close?(): Promise<void>;
}
