import { int } from '../../onnx/graph.ts';
import { invalid, unsupported } from '../config.ts';
import { list, number, shapeText, type LayerContext, type LayerKind, type LayerRule } from '../layer.ts';
import type { LayerSpec } from '../topology.ts';
import { homeOf, inLayout, valueOf, type Value } from '../values.ts';
import { readCell, type Cell, type CellKind } from './recurrent-cell.ts';
import { canBeOperator, runAsOperator, type Run } from './recurrent-operator.ts';
import { runInSteps } from './recurrent-steps.ts';

interface Recurrent {
  readonly cell: Cell;
  readonly goesBackwards: boolean;
  readonly returnsSequences: boolean;
  readonly returnsState: boolean;
}

const kinds: readonly CellKind[] = ['LSTM', 'GRU', 'SimpleRNN'];

function readRecurrent({ className, config }: LayerSpec): Recurrent {
  const kind = kinds.find((each) => each === className);
  if (kind === undefined) throw unsupported(`${config.title} is no recurrent layer that is known`, `Use ${kinds.join(', ')}`);
  config.only('stateful', [false], 'Pass the states as inputs of the model and give them back as outputs (returnState)');
  config.only('time_major', [false], 'Put the batch first');
  return {
    cell: readCell(kind, config),
    goesBackwards: config.flag('go_backwards', false),
    returnsSequences: config.flag('return_sequences', false),
    returnsState: config.flag('return_state', false),
  };
}

/** The sequence and the states it starts with, if it is called with any. */
function inputsOf(context: LayerContext, states: number): { value: Value; initial: readonly string[] } {
  const [value, ...initial] = context.inputs;
  if (value?.dims.length !== 3) throw invalid(`${context.title} takes [batch, steps, features], found ${shapeText(value?.dims ?? [])}`);
  if (initial.length > 0 && initial.length !== states) throw invalid(`${context.title} starts with ${states} states, found ${initial.length}`);
  return { value, initial: initial.map((state) => inLayout(state, 'plain', context.add)) };
}

function run(context: LayerContext, cell: Cell, value: Value, initial: readonly string[], isBackward: boolean): Run {
  const isPlain = value.mask === undefined && !context.unrolls && canBeOperator(cell);
  return (isPlain ? runAsOperator : runInSteps)(context, cell, value, initial, isBackward);
}

/** The last step first. */
function reversed(context: LayerContext, value: Value): Value {
  const x = inLayout(value, 'time', context.add);
  const end = -(2 ** 31);
  return valueOf(context.add('Slice', [x, ...[-1, end, 0, -1].map((each) => list(context, [each]))]), value.dims, 'time');
}

const marked = (value: Value, mask: string | undefined): Value => (mask === undefined ? value : { ...value, mask });

const recurrent: LayerRule = (_, spec) => {
  const { cell, goesBackwards, returnsSequences, returnsState } = readRecurrent(spec);
  return (context) => {
    const { value, initial } = inputsOf(context, cell.states);
    const { sequence, last } = run(context, cell, value, initial, goesBackwards);
    const ordered = (): Value => (goesBackwards ? reversed(context, sequence()) : sequence());
    const output = returnsSequences ? marked(ordered(), value.mask) : (last[0] as Value);
    return returnsState ? [output, ...last] : [output];
  };
};

const mergeModes = ['concat', 'sum', 'ave', 'mul'] as const;

function merged(context: LayerContext, mode: (typeof mergeModes)[number], forward: Value, backward: Value): Value {
  const { add } = context;
  const layout = homeOf(forward);
  const both = [forward, backward].map((value) => inLayout(value, layout, add));
  const { dims } = forward;
  if (mode === 'concat') {
    const last = dims.length - 1;
    return valueOf(add('Concat', both, { axis: int(last) }), dims.with(last, 2 * (dims[last] ?? 0)), layout);
  }
  const result = add(mode === 'mul' ? 'Mul' : 'Add', both);
  return valueOf(mode === 'ave' ? add('Mul', [result, number(context, 0.5)]) : result, dims, layout);
}

const bidirectional: LayerRule = (config, { inner }) => {
  if (inner === undefined) throw invalid(`${config.title} wraps no layer`);
  const { cell, goesBackwards, returnsSequences, returnsState } = readRecurrent(inner);
  const mode = config.raw('merge_mode') === undefined ? undefined : config.choice('merge_mode', mergeModes, 'concat');
  return (context) => {
    const { value, initial } = inputsOf(context, 2 * cell.states);
    const half = initial.length / 2;
    const runs = ['forward', 'backward'].map((direction, index) =>
      run(
        context.within(`${direction}_${inner.name}`, context.inputs),
        cell,
        value,
        initial.slice(index * half, (index + 1) * half),
        (direction === 'backward') !== goesBackwards,
      ),
    );
    const outputs = runs.map(({ sequence, last }) => {
      if (!returnsSequences) return last[0] as Value;
      return goesBackwards ? reversed(context, sequence()) : sequence();
    });
    const [forward, backward] = outputs as [Value, Value];
    const results = mode === undefined ? outputs : [merged(context, mode, forward, backward)];
    const marks = returnsSequences ? results.map((result) => marked(result, value.mask)) : results;
    return returnsState ? [...marks, ...runs.flatMap(({ last }) => last)] : marks;
  };
};

export const recurrentLayers: Readonly<Record<string, LayerKind>> = {
  LSTM: { rule: recurrent, masks: 'handles' },
  GRU: { rule: recurrent, masks: 'handles' },
  SimpleRNN: { rule: recurrent, masks: 'handles' },
  Bidirectional: { rule: bidirectional, masks: 'handles' },
};
