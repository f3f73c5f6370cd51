import type { Graph, Node } from '../onnx/graph.ts';
import { valuesRead } from '../onnx/scope.ts';
import { clipBounds, type Facts } from './operators.ts';
import type { ValueRange } from './parameters.ts';

/** These open and close gates: no calibration image shows all of what they can be. */
const gates: ReadonlySet<string> = new Set(['Sigmoid', 'HardSigmoid']);
/** The same numbers in another order or shape. */
const moving: ReadonlySet<string> = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose', 'DepthToSpace']);

/** What the range of a value follows from: the value to measure for it, or what is known of it anyway. */
export type RangeSource = string | ValueRange;

export function rangeSources(graph: Graph, values: ReadonlySet<string>, facts: Facts): Map<string, RangeSource> {
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const readers = new Map<string, Node[]>();
  for (const node of graph.nodes) for (const name of new Set(valuesRead(node))) readers.set(name, [...(readers.get(name) ?? []), node]);
  for (const { name } of graph.outputs) readers.delete(name);
  const above = (name: string): RangeSource => {
    const maker = makers.get(name);
    if (maker !== undefined && gates.has(maker.operator)) return { min: 0, max: 1 };
    const [from = ''] = maker?.inputs ?? [];
    return maker !== undefined && moving.has(maker.operator) && facts.constant(from) === undefined ? above(from) : name;
  };
  const sourceOf = (name: string): RangeSource => {
    const [reader, ...others] = readers.get(name) ?? [];
    // What a bound cuts off needs no steps.
    const isCut = reader !== undefined && others.length === 0 && reader.inputs[0] === name && isBound(reader, facts);
    return isCut ? sourceOf(reader.outputs[0] ?? '') : above(name);
  };
  return new Map([...values].map((name) => [name, sourceOf(name)]));
}

const isBound = (node: Node, facts: Facts): boolean => (node.operator === 'Relu' || node.operator === 'Clip') && clipBounds(node, facts) !== undefined;
