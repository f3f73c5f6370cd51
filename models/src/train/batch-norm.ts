import { float, int } from '../onnx/graph.ts';
import type { Tape } from './tape.ts';

export interface BatchNorm {
  readonly x: string;
  readonly scale: string;
  readonly bias: string;
  /** Running statistics before the step. */
  readonly mean: string;
  readonly variance: string;
  readonly epsilon: number;
  /** How much of the running statistics stays. */
  readonly momentum: number;
}

export interface TrainedBatchNorm {
  readonly output: string;
  /** Running statistics after the step. */
  readonly newMean: string;
  readonly newVariance: string;
}

/**
 * Batch normalisation by the statistics of the batch. The standard (BatchNormalization-15, training_mode) mixes the
 * population variance, which divides by the number of elements, into the running variance; so does this.
 */
export function trainingBatchNorm(tape: Tape, { x, scale, bias, mean, variance, epsilon, momentum }: BatchNorm): TrainedBatchNorm {
  // Without momentum the node gives out the statistics of the batch alone, which its gradient needs.
  const attributes = { epsilon: float(epsilon), momentum: float(0), training_mode: int(1) };
  // The runtime's kernel writes the new statistics over the old ones, which are needed still: it gets others to write
  // over, two that the optimiser of the graph cannot take for one.
  const inputs = [x, scale, bias, tape.add('Neg', [mean]), tape.add('Abs', [variance])];
  const [output = '', batchMean = '', batchVariance = ''] = tape.addMany('BatchNormalization', inputs, attributes, 3);
  const mixed = (running: string, current: string): string => {
    const difference = tape.add('Sub', [running, current]);
    return tape.add('Add', [current, tape.add('Mul', [difference, tape.number(momentum, running)])]);
  };
  return { output, newMean: mixed(mean, batchMean), newVariance: mixed(variance, batchVariance) };
}
