import { valueBytes } from './element-values.ts';
import { elementCount, numbersAttribute, type Model, type Node, type Tensor } from './graph.ts';
import { inferModel, type InferOptions } from './infer-model.ts';
import { constantOf } from './shape-rules/creation.ts';
import type { ValueType } from './shape-rules/rule.ts';
import { valuesRead } from './scope.ts';

export interface NodeCost {
  readonly name: string;
  readonly operator: string;
  /** Numbers in the weights it reads; a weight that several nodes read counts for the first. */
  readonly parameters: number;
  readonly multiplyAdds: number;
  /** Two for each multiply-add, and everything else it computes. */
  readonly flops: number;
  /** Undefined where the shapes are not known. */
  readonly outputs: readonly (ValueType | undefined)[];
}

export interface ModelCost {
  readonly nodes: readonly NodeCost[];
  readonly operators: Readonly<Record<string, { readonly count: number; readonly parameters: number; readonly multiplyAdds: number; readonly flops: number }>>;
  readonly parameters: number;
  readonly parameterBytes: number;
  readonly multiplyAdds: number;
  readonly flops: number;
  /** Most memory that values take at one time when each is freed after its last use; weights are not among them. */
  readonly activationBytesMax: number;
  /** Nodes that could not be counted because their shapes are unknown. */
  readonly uncounted: number;
  /** Why not, the first reason. */
  readonly reason: string | undefined;
}

/** What a model holds and what one run of it costs, at the given sizes of its free dimensions. */
export function summariseModel(model: Model, options: InferOptions = {}): ModelCost {
  const { graph } = model;
  const { types, constants, unknown } = inferModel(model, { otherwise: 1, ...options, tolerant: true });
  const weights = weightsOf(model);
  const isCounted = (node: Node): boolean => node.outputs.every((name) => name === '' || types.has(name));
  const seen = new Set<string>();
  const parametersOf = (node: Node): number => {
    const read = [...new Set(valuesRead(node))].filter((name) => weights.has(name) && !seen.has(name));
    for (const name of read) seen.add(name);
    return read.reduce((sum, name) => sum + (weights.get(name)?.data.length ?? 0), 0);
  };
  const nodes = graph.nodes.map((node): NodeCost => {
    const work = workOf(node, types, constants);
    return {
      name: node.name === '' ? (node.outputs[0] ?? '') : node.name,
      operator: node.domain === '' ? node.operator : `${node.domain}:${node.operator}`,
      parameters: parametersOf(node),
      multiplyAdds: work.multiplyAdds,
      flops: 2 * work.multiplyAdds + work.others,
      outputs: node.outputs.map((name) => types.get(name)),
    };
  });
  const tensors = [...weights.values()];
  const operators = new Map<string, NodeCost[]>();
  for (const node of nodes) {
    const others = operators.get(node.operator);
    if (others === undefined) operators.set(node.operator, [node]);
    else others.push(node);
  }
  return {
    nodes,
    operators: Object.fromEntries(
      [...operators].map(([operator, list]) => [
        operator,
        { count: list.length, parameters: total(list, 'parameters'), multiplyAdds: total(list, 'multiplyAdds'), flops: total(list, 'flops') },
      ]),
    ),
    parameters: tensors.reduce((count, { data }) => count + data.length, 0),
    parameterBytes: tensors.reduce((bytes, { data }) => bytes + data.byteLength, 0),
    multiplyAdds: total(nodes, 'multiplyAdds'),
    flops: total(nodes, 'flops'),
    activationBytesMax: peakBytes(model, types, weights),
    uncounted: graph.nodes.filter((node) => !isCounted(node)).length,
    reason: unknown[0]?.reason.detail,
  };
}

const total = (nodes: readonly NodeCost[], what: 'parameters' | 'multiplyAdds' | 'flops'): number => nodes.reduce((sum, node) => sum + node[what], 0);

/** Stored as such, or as Constant nodes. */
function weightsOf({ graph }: Model): ReadonlyMap<string, Tensor> {
  const constants = graph.nodes.flatMap((node) => {
    const tensor = node.operator === 'Constant' && node.domain === '' ? constantOf(node) : undefined;
    return tensor === undefined ? [] : [[node.outputs[0] ?? '', tensor] as const];
  });
  return new Map([...graph.initialisers, ...constants]);
}

interface Work {
  readonly multiplyAdds: number;
  readonly others: number;
}

/** Operators that only move, rename or declare values. */
const free: ReadonlySet<string> = new Set(
  `Constant ConstantOfShape Shape Size Identity Reshape Flatten Squeeze Unsqueeze Transpose Expand Tile Concat Split Slice Pad Gather
   GatherElements GatherND ScatterElements ScatterND DepthToSpace SpaceToDepth Dropout Range Trilu OneHot`.split(/\s+/),
);
const overInput: ReadonlySet<string> = new Set(
  `ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSum ReduceLogSumExp ArgMax ArgMin
   GlobalAveragePool GlobalMaxPool TopK CumSum`.split(/\s+/),
);
/** Passes over the data that these need, roughly. */
const passes: Readonly<Record<string, number>> = { Softmax: 5, LogSoftmax: 5, LayerNormalization: 8, InstanceNormalization: 8, BatchNormalization: 2, Gelu: 8 };

function workOf(node: Node, types: ReadonlyMap<string, ValueType>, constants: ReadonlyMap<string, Tensor>): Work {
  const dims = (name: string | undefined): readonly number[] | undefined => types.get(name ?? '')?.dims;
  const [x, w, out] = [dims(node.inputs[0]), dims(node.inputs[1]), dims(node.outputs[0])];
  const none: Work = { multiplyAdds: 0, others: 0 };
  // Shape arithmetic, done once and of no size.
  if (out === undefined || x === undefined || free.has(node.operator) || constants.has(node.outputs[0] ?? '')) return none;
  const results = elementCount(out);
  const only = (multiplyAdds: number, hasBias = false): Work => ({ multiplyAdds, others: hasBias ? results : 0 });
  switch (node.operator) {
    case 'Conv':
    case 'ConvInteger':
      return only(results * elementCount(w?.slice(1) ?? []), node.operator === 'Conv' && (node.inputs[2] ?? '') !== '');
    case 'ConvTranspose':
      return only(elementCount(x) * elementCount(w?.slice(1) ?? []), (node.inputs[2] ?? '') !== '');
    case 'MatMul':
    case 'MatMulInteger':
      return only(results * (x.at(-1) ?? 1));
    case 'Gemm':
      return only((results * elementCount(x)) / Math.max(1, out[0] ?? 1), (node.inputs[2] ?? '') !== '');
    case 'LSTM':
    case 'GRU':
    case 'RNN':
      return only((x[0] ?? 1) * (x[1] ?? 1) * (elementCount(w ?? []) + elementCount(dims(node.inputs[2]) ?? [])));
    case 'MaxPool':
    case 'AveragePool':
    case 'LpPool':
      return { multiplyAdds: 0, others: results * elementCount(numbersAttribute(node, 'kernel_shape', [])) };
    default:
      return { multiplyAdds: 0, others: overInput.has(node.operator) ? elementCount(x) : results * (passes[node.operator] ?? 1) };
  }
}

function peakBytes({ graph }: Model, types: ReadonlyMap<string, ValueType>, weights: ReadonlyMap<string, Tensor>): number {
  const bytes = (name: string): number => {
    const type = types.get(name);
    return type === undefined || weights.has(name) ? 0 : valueBytes(type);
  };
  const lastRead = new Map<string, number>();
  graph.nodes.forEach((node, index) => {
    for (const name of [...node.outputs, ...valuesRead(node)]) lastRead.set(name, index);
  });
  for (const { name } of graph.outputs) lastRead.set(name, graph.nodes.length);

  let alive = graph.inputs.reduce((sum, { name }) => sum + bytes(name), 0);
  let peak = alive;
  graph.nodes.forEach((node, index) => {
    for (const name of node.outputs) alive += bytes(name);
    peak = Math.max(peak, alive);
    for (const name of new Set([...node.outputs, ...valuesRead(node)])) if (lastRead.get(name) === index) alive -= bytes(name);
  });
  return peak;
}

/** The summary as a table: a line for each operator, what takes the most work first. */
export function formatSummary(cost: ModelCost): string {
  const rows = Object.entries(cost.operators)
    .toSorted(([, a], [, b]) => b.flops - a.flops || b.count - a.count)
    .map(([operator, { count, parameters, multiplyAdds, flops }]) => [
      operator,
      String(count),
      short(parameters),
      short(multiplyAdds),
      short(flops),
      cost.flops === 0 ? '' : `${((100 * flops) / cost.flops).toFixed(1)} %`,
    ]);
  const heaviest = cost.nodes
    .toSorted((a, b) => b.flops - a.flops)
    .slice(0, 10)
    .filter(({ flops }) => flops > 0)
    .map(({ name, operator, parameters, multiplyAdds, flops, outputs }) => [
      `${operator} ${name}`.slice(0, 60),
      outputs[0] === undefined ? '' : `[${outputs[0].dims.join(', ')}]`,
      short(parameters),
      short(multiplyAdds),
      short(flops),
    ]);
  const lines = [
    ...align([['operator', 'nodes', 'parameters', 'multiply-adds', 'FLOPs', 'share'], ...rows]),
    '',
    ...align([['heaviest nodes', 'output', 'parameters', 'multiply-adds', 'FLOPs'], ...heaviest]),
    '',
    `parameters         ${short(cost.parameters)} (${short(cost.parameterBytes)}B)`,
    `multiply-adds      ${short(cost.multiplyAdds)}`,
    `FLOPs              ${short(cost.flops)}`,
    `activations, peak  ${short(cost.activationBytesMax)}B`,
  ];
  if (cost.uncounted > 0)
    lines.push(`not counted        ${cost.uncounted} nodes, whose shapes are unknown${cost.reason === undefined ? '' : `: ${cost.reason}`}`);
  return `${lines.join('\n')}\n`;
}

/** The summary as one sentence. */
export function summaryWords({ nodes, operators, parameters, multiplyAdds, uncounted }: ModelCost): string {
  const most = Object.entries(operators)
    .toSorted(([, a], [, b]) => b.flops - a.flops)
    .slice(0, 3)
    .map(([operator, { count }]) => `${count} ${operator}`);
  const open = uncounted === 0 ? '' : `; ${uncounted} nodes of unknown shape are not counted`;
  return `${nodes.length} nodes (${most.join(', ')}), ${short(parameters)} weights, ${short(multiplyAdds)} multiply-adds a run${open}`;
}

const units = ['', 'k', 'M', 'G', 'T', 'P'];
/** Three digits and a unit. */
function short(value: number): string {
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)));
  return unit === 0 ? String(value) : `${Number((value / 1000 ** unit).toPrecision(3))} ${units[unit]}`;
}

/** Columns of one width; the first is text, the others are numbers and stand right. */
function align(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => rows.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), 0));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
