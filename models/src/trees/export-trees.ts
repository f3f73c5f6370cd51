import { SerinError } from '@serin/protocol/errors';
import type { TreeEnsemble } from '@serin/inference/trees/ensemble';

import type { Model } from '../onnx/graph.ts';

/** The trees as an ONNX model: `features` float32 [N, F] to `probabilities` [N, classes], or `value` [N, 1] for regression. */
export function exportTrees(_ensemble: TreeEnsemble, _metadata: Record<string, string> = {}): Model {
  throw new SerinError('JOB_FAILED', { detail: 'trees are not exported yet' });
}
