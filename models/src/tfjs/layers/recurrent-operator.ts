import { elementCount, floats, int, text, type Attribute, type Tensor } from '../../onnx/graph.ts';
import { unsupported } from '../config.ts';
import { known, list, type LayerContext } from '../layer.ts';
import { inLayout, valueOf, type Value } from '../values.ts';
import { cellWeights, zeros, type Cell, type CellKind } from './recurrent-cell.ts';

/** What a run over all steps leaves. */
export interface Run {
  /** The state given out at every step, in the order of the steps; asked for only where it is used. */
  sequence(): Value;
  /** The states after the last step. */
  readonly last: readonly Value[];
}

const operators: Readonly<Record<CellKind, string>> = { LSTM: 'LSTM', GRU: 'GRU', SimpleRNN: 'RNN' };

/** Places of tfjs's gates in the operators' order: LSTM has input, output, forget, cell. */
const gateOrders: Readonly<Record<CellKind, readonly number[]>> = { LSTM: [0, 3, 1, 2], GRU: [0, 1, 2], SimpleRNN: [0] };

/** What the operators can do between two steps, with the numbers they are told. */
const operatorActivations: Readonly<Record<string, { readonly name: string; readonly alpha?: number; readonly beta?: number }>> = {
  linear: { name: 'Affine', alpha: 1, beta: 0 },
  relu: { name: 'Relu' },
  elu: { name: 'Elu', alpha: 1 },
  sigmoid: { name: 'Sigmoid' },
  hardSigmoid: { name: 'HardSigmoid', alpha: 0.2, beta: 0.5 },
  tanh: { name: 'Tanh' },
  softplus: { name: 'Softplus' },
  softsign: { name: 'Softsign' },
};

export const canBeOperator = ({ activation, recurrentActivation }: Cell): boolean =>
  [activation, recurrentActivation].every((name) => Object.hasOwn(operatorActivations, name));

function activationAttributes({ kind, activation, recurrentActivation }: Cell): Record<string, Attribute> {
  const used = { LSTM: [recurrentActivation, activation, activation], GRU: [recurrentActivation, activation], SimpleRNN: [activation] }[kind];
  const entries = used.map((name) => operatorActivations[name] ?? { name });
  const numbers = (key: 'alpha' | 'beta'): number[] => entries.flatMap((entry) => entry[key] ?? []);
  return {
    activations: { kind: 'strings', value: entries.map(({ name }) => name) },
    ...(numbers('alpha').length === 0 ? {} : { activation_alpha: { kind: 'floats', value: numbers('alpha') } }),
    ...(numbers('beta').length === 0 ? {} : { activation_beta: { kind: 'floats', value: numbers('beta') } }),
  };
}

/** A kernel [rows, gates * units] as [1, gates * units, rows], its gates in the operator's order. */
function turned({ dims, data }: Tensor, { kind, units }: Cell): Tensor {
  const [rows = 1, width = 1] = dims.length === 1 ? [1, dims[0]] : dims;
  const values = new Float32Array(elementCount(dims));
  gateOrders[kind].forEach((gate, place) => {
    for (let unit = 0; unit < units; unit += 1) {
      for (let row = 0; row < rows; row += 1) values[(place * units + unit) * rows + row] = Number(data[row * width + gate * units + unit]);
    }
  });
  return floats([1, width, rows], values);
}

/** All steps as one operator, from the first to the last or the other way. */
export function runAsOperator(context: LayerContext, cell: Cell, value: Value, initial: readonly string[], isBackward: boolean): Run {
  const { kind, units, gates, states, resetsAfter } = cell;
  const features = known(context, value.dims, -1);
  if (!canBeOperator(cell)) throw unsupported(`${context.title}: its activation between steps`, `Use ${Object.keys(operatorActivations).join(', ')}`);
  const kernel = context.store('kernel', () => turned(cellWeights(context, cell, features).kernel, cell));
  const recurrent = context.store('recurrent_kernel', () => turned(cellWeights(context, cell, features).recurrent, cell));
  const bias = context.store('bias', () => {
    const weights = cellWeights(context, cell, features);
    const parts = [weights.bias, weights.recurrentBias].map((part) => turned(part ?? zeros([gates * units]), cell).data as Float32Array);
    return floats(
      [1, 2 * gates * units],
      [...parts].flatMap((part) => [...part]),
    );
  });
  const [first = '', second = ''] = initial.map((state) => context.add('Unsqueeze', [state, list(context, [0])]));
  const inputs = [inLayout(value, 'time', context.add), kernel, recurrent, bias, '', first, ...(kind === 'LSTM' ? [second] : [])];
  const outputs = context.addAll(operators[kind], inputs.slice(0, inputs.findLastIndex((name) => name !== '') + 1), 1 + states, {
    hidden_size: int(units),
    direction: text(isBackward ? 'reverse' : 'forward'),
    ...activationAttributes(cell),
    ...(kind === 'GRU' ? { linear_before_reset: int(resetsAfter ? 1 : 0) } : {}),
  });
  const [batch = null, steps = null] = value.dims;
  return {
    sequence: () => valueOf(context.add('Squeeze', [outputs[0] ?? '', list(context, [1])]), [batch, steps, units], 'time'),
    last: outputs.slice(1).map((state) => valueOf(context.add('Squeeze', [state, list(context, [0])]), [batch, units])),
  };
}
