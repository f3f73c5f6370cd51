import { elementCount, type Tensor } from '../../onnx/graph.ts';
import type { Config } from '../config.ts';
import type { LayerContext } from '../layer.ts';
import { readActivationName } from './activation.ts';

export type CellKind = 'LSTM' | 'GRU' | 'SimpleRNN';

/** What one step of a recurrent layer does. */
export interface Cell {
  readonly kind: CellKind;
  readonly units: number;
  /** Parts of its kernels: a gate each, and the candidate for the new state. */
  readonly gates: number;
  /** One carried from step to step; LSTM carries a second that it does not give out. */
  readonly states: number;
  readonly activation: string;
  readonly recurrentActivation: string;
  readonly hasBias: boolean;
  /** GRU: whether the gate falls on the product with the state, or on the state before it. */
  readonly resetsAfter: boolean;
}

const gatesOf: Readonly<Record<CellKind, number>> = { LSTM: 4, GRU: 3, SimpleRNN: 1 };

export function readCell(kind: CellKind, config: Config): Cell {
  return {
    kind,
    units: config.whole('units'),
    gates: gatesOf[kind],
    states: kind === 'LSTM' ? 2 : 1,
    activation: readActivationName(config, 'activation', 'tanh'),
    recurrentActivation: readActivationName(config, 'recurrent_activation', 'hardSigmoid'),
    hasBias: config.flag('use_bias', true),
    resetsAfter: kind === 'GRU' && config.flag('reset_after', false),
  };
}

export interface CellWeights {
  /** [features, gates * units] */
  readonly kernel: Tensor;
  /** [units, gates * units] */
  readonly recurrent: Tensor;
  /** [gates * units]: of the input's product, and of the state's where there is one. */
  readonly bias?: Tensor;
  readonly recurrentBias?: Tensor;
}

export function cellWeights(context: LayerContext, { units, gates, hasBias, resetsAfter }: Cell, features: number): CellWeights {
  const width = gates * units;
  const base = { kernel: context.weight('kernel', [features, width]), recurrent: context.weight('recurrent_kernel', [units, width]) };
  if (!hasBias) return base;
  const bias = context.weight('bias', resetsAfter ? [2, width] : [width]);
  const part = (from: number): Tensor => ({ type: 'float32', dims: [width], data: (bias.data as Float32Array).slice(from * width, (from + 1) * width) });
  return resetsAfter ? { ...base, bias: part(0), recurrentBias: part(1) } : { ...base, bias };
}

export const zeros = (dims: readonly number[]): Tensor<'float32'> => ({ type: 'float32', dims, data: new Float32Array(elementCount(dims)) });
