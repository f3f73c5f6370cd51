import { SerinError } from '@serin/protocol/errors';

import type { Model } from '../onnx/graph.ts';
import type { LinearModel } from './train-linear.ts';

/** The model as an ONNX graph with the inputs and outputs of `exportTrees`. */
export function exportLinear(_model: LinearModel, _metadata: Record<string, string> = {}): Model {
  throw new SerinError('JOB_FAILED', { detail: 'linear models are not exported yet' });
}
