import { int } from '../../onnx/graph.ts';
import { unsupported } from '../config.ts';
import { list, known, number, type LayerContext } from '../layer.ts';
import { inLayout, valueOf, type Value } from '../values.ts';
import { activate } from './activation.ts';
import { cellWeights, zeros, type Cell } from './recurrent-cell.ts';
import type { Run } from './recurrent-operator.ts';

const stepsMax = 1024;

interface StepWeights {
  readonly recurrent: string;
  readonly recurrentBias: string | undefined;
}

/** The states after one step; `x` is the input's product with the kernel. All of them are [1, batch, ...]. */
type Step = (context: LayerContext, cell: Cell, weights: StepWeights, x: string, states: readonly string[]) => string[];

const axis = 2;
const parts = (context: LayerContext, x: string, count: number): readonly string[] => context.addAll('Split', [x], count, { axis: int(axis) });

const simpleStep: Step = (context, { activation }, { recurrent }, x, [state = '']) => {
  const sum = context.add('Add', [x, context.add('MatMul', [state, recurrent])]);
  return [activate(context, activation, sum, axis)];
};

const longShortStep: Step = (context, { activation, recurrentActivation }, { recurrent }, x, [state = '', carried = '']) => {
  const { add } = context;
  const [enter = '', forget = '', candidate = '', leave = ''] = parts(context, add('Add', [x, add('MatMul', [state, recurrent])]), 4);
  const gate = (part: string): string => activate(context, recurrentActivation, part, axis);
  const kept = add('Mul', [gate(forget), carried]);
  const carry = add('Add', [kept, add('Mul', [gate(enter), activate(context, activation, candidate, axis)])]);
  return [add('Mul', [gate(leave), activate(context, activation, carry, axis)]), carry];
};

const gatedStep: Step = (context, { activation, recurrentActivation, units, resetsAfter }, { recurrent, recurrentBias }, x, [state = '']) => {
  const { add } = context;
  const [xUpdate = '', xReset = '', xCandidate = ''] = parts(context, x, 3);
  const gate = (from: string, by: string): string => activate(context, recurrentActivation, add('Add', [from, by]), axis);
  const mix = (update: string, candidate: string): string[] => [
    add('Add', [add('Mul', [update, state]), add('Mul', [add('Sub', [number(context, 1), update]), candidate])]),
  ];
  if (resetsAfter) {
    const product = add('MatMul', [state, recurrent]);
    const [update = '', reset = '', candidate = ''] = parts(context, recurrentBias === undefined ? product : add('Add', [product, recurrentBias]), 3);
    const gated = add('Mul', [gate(xReset, reset), candidate]);
    return mix(gate(xUpdate, update), activate(context, activation, add('Add', [xCandidate, gated]), axis));
  }
  const [ofGates = '', ofCandidate = ''] = context.addAll('Split', [recurrent, list(context, [2 * units, units])], 2, { axis: int(1) });
  const [update = '', reset = ''] = parts(context, add('MatMul', [state, ofGates]), 2);
  const candidate = add('MatMul', [add('Mul', [gate(xReset, reset), state]), ofCandidate]);
  return mix(gate(xUpdate, update), activate(context, activation, add('Add', [xCandidate, candidate]), axis));
};

const stepOf = { LSTM: longShortStep, GRU: gatedStep, SimpleRNN: simpleStep } as const;

/** One step after the other in plain operators: more nodes, but they can be trained, and steps can be skipped. */
export function runInSteps(context: LayerContext, cell: Cell, value: Value, initial: readonly string[], isBackward: boolean): Run {
  const { add } = context;
  const { units, states: count } = cell;
  const features = known(context, value.dims, -1);
  const steps = known(context, value.dims, 1);
  if (steps > stepsMax) throw unsupported(`${context.title}: ${steps} steps one by one`, `Take at most ${stepsMax} steps`);
  const kernel = context.store('kernel', () => cellWeights(context, cell, features).kernel);
  const recurrent = context.store('recurrent_kernel', () => cellWeights(context, cell, features).recurrent);
  const bias = cell.hasBias ? context.store('bias', () => cellWeights(context, cell, features).bias ?? zeros([1])) : undefined;
  const recurrentBias =
    cell.hasBias && cell.resetsAfter ? context.store('recurrent_bias', () => cellWeights(context, cell, features).recurrentBias ?? zeros([1])) : undefined;

  const product = add('MatMul', [inLayout(value, 'time', add), kernel]);
  const whole = bias === undefined ? product : add('Add', [product, bias]);
  const given = steps === 1 ? [whole] : context.addAll('Split', [whole], steps, { axis: int(0) });
  const counts = value.mask === undefined ? undefined : maskSteps(context, value.mask, steps);
  let states =
    initial.length > 0
      ? initial.map((state) => add('Unsqueeze', [state, list(context, [0])]))
      : Array.from({ length: count }, () => context.constant(zeros([1, 1, units])));
  const order = given.map((_, step) => (isBackward ? steps - 1 - step : step));
  const out: string[] = [];
  for (const step of order) {
    const next = stepOf[cell.kind](context, cell, { recurrent, recurrentBias }, given[step] ?? '', states);
    const mask = counts?.[step];
    states = mask === undefined ? next : next.map((state, index) => add('Where', [mask, state, states[index] ?? '']));
    out[step] = states[0] ?? '';
  }
  const [batch = null] = value.dims;
  return {
    sequence: () => valueOf(out.length === 1 ? (out[0] ?? '') : add('Concat', out, { axis: int(0) }), [batch, steps, units], 'time'),
    last: states.map((state) => valueOf(add('Squeeze', [state, list(context, [0])]), [batch, units])),
  };
}

/** For each step which examples take it, as [1, batch, 1]. */
function maskSteps(context: LayerContext, mask: string, steps: number): readonly string[] {
  const { add } = context;
  const float32 = 1;
  const numbers = add('Unsqueeze', [
    add('Transpose', [add('Cast', [mask], { to: int(float32) })], { perm: { kind: 'ints', value: [1, 0] } }),
    list(context, [2]),
  ]);
  const each = steps === 1 ? [numbers] : context.addAll('Split', [numbers], steps, { axis: int(0) });
  return each.map((step) => add('Greater', [step, number(context, 0.5)]));
}
