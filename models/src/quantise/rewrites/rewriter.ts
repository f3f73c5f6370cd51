import { inferModel } from '../../onnx/infer-model.ts';
import type { Attribute, Model, Node, Tensor } from '../../onnx/graph.ts';
import { countReads, createNames } from '../../onnx/scope.ts';
import type { ValueType } from '../../onnx/shape-rules/rule.ts';

/** What a rule may look at. */
export interface Surroundings {
  /** The node that makes a value, if that is of this operator and nobody else reads the value. */
  sole(name: string, operator: string): Node | undefined;
  maker(name: string): Node | undefined;
  readers(name: string): readonly Node[];
  constant(name: string): Tensor | undefined;
  /** The only number of a constant. */
  number(name: string): number | undefined;
  /** Sizes of free dimensions are made up. */
  type(name: string): ValueType | undefined;
  /** Stores a constant and names it. */
  store(hint: string, tensor: Tensor): string;
  fresh(hint: string): string;
  readonly opset: number;
}

export interface RewriteRule {
  /** What it does, for a person: `3 x <words>`. */
  readonly words: string;
  readonly operators: readonly string[];
  /** The nodes that do what this one did, under the same output names; undefined where the rule does not apply. */
  apply(node: Node, around: Surroundings): Node[] | undefined;
}

export const nodeOf = (operator: string, inputs: readonly string[], output: string, attributes: Record<string, Attribute> = {}): Node => ({
  operator,
  domain: '',
  name: output,
  inputs,
  outputs: [output],
  attributes,
});

/** Applies a rule wherever it fits, once a node. What nobody reads any more is left for others to sweep. */
export function applyRule(model: Model, rule: RewriteRule): { model: Model; count: number } {
  const { graph } = model;
  if (!graph.nodes.some(({ operator, domain }) => domain === '' && rule.operators.includes(operator))) return { model, count: 0 };
  const initialisers = new Map(graph.initialisers);
  // Ranks matter, and which sizes are equal; any size that kernels fit into will do.
  const { types } = inferModel(model, { tolerant: true, otherwise: 64 });
  const reads = countReads(graph);
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const readers = new Map<string, Node[]>();
  for (const node of graph.nodes) for (const name of node.inputs) readers.set(name, [...(readers.get(name) ?? []), node]);
  const fresh = createNames(graph);
  /** Of patterns that are rewritten: no other rule application may build on them. */
  const used = new Set<Node>();
  const around: Surroundings = {
    opset: model.opsets[''] ?? 0,
    fresh,
    maker: (name) => makers.get(name),
    readers: (name) => readers.get(name) ?? [],
    constant: (name) => graph.initialisers.get(name),
    number: (name) => {
      const tensor = graph.initialisers.get(name);
      return tensor?.data.length === 1 ? Number(tensor.data[0]) : undefined;
    },
    type: (name) => types.get(name),
    sole: (name, operator) => {
      const maker = makers.get(name);
      return maker !== undefined && maker.operator === operator && maker.domain === '' && reads.get(name) === 1 && !used.has(maker) ? maker : undefined;
    },
    store: (hint, tensor) => {
      const name = fresh(hint);
      initialisers.set(name, tensor);
      return name;
    },
  };
  let count = 0;
  const nodes = graph.nodes.flatMap((node) => {
    if (node.domain !== '' || !rule.operators.includes(node.operator)) return [node];
    const made = rule.apply(node, around);
    if (made === undefined) return [node];
    used.add(node);
    count += 1;
    return made;
  });
  return count === 0 ? { model, count } : { model: { ...model, graph: { ...graph, nodes, initialisers } }, count };
}
