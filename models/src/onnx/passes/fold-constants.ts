import { valueBytes } from '../element-values.ts';
import { inferModel } from '../infer-model.ts';
import type { Graph, Model, Node, Tensor } from '../graph.ts';
import { countReads, innerGraphs } from '../scope.ts';
import { runModel } from '../session.ts';
import { constantOf } from '../shape-rules/creation.ts';
import type { ValueType } from '../shape-rules/rule.ts';

export interface FoldOptions {
  /** A result may be this large although its inputs are smaller. */
  readonly growthBytesMax?: number;
}

/** Chance, and weights that are kept small on purpose. */
const neverFolded: ReadonlySet<string> = new Set([
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Multinomial',
  'Bernoulli',
  'Dropout',
  'DequantizeLinear',
]);

/**
 * Computes now, in the runtime itself, what depends on constants alone. Results that are much larger than what they
 * are made of stay to be computed, and so does everything when the runtime refuses a part of it.
 */
export async function foldConstants(model: Model, options: FoldOptions = {}): Promise<Model> {
  const plan = planFolding(model, options.growthBytesMax ?? 64 * 1024);
  const computed = await compute(model, plan);
  const isKnown = (node: Node): boolean => node.outputs.every((name) => plan.known.has(name));
  const folded = (node: Node): boolean => plan.foldable.has(node) && (computed !== undefined || isKnown(node));
  const nodes = model.graph.nodes.filter((node) => !folded(node));
  if (nodes.length === model.graph.nodes.length) return model;
  const graph = { ...model.graph, nodes };
  const reads = countReads(graph);
  const values = [...plan.known, ...(computed ?? [])].filter(([name]) => reads.has(name));
  return { ...model, graph: { ...graph, initialisers: new Map([...graph.initialisers, ...values]) } };
}

interface Plan {
  readonly foldable: ReadonlySet<Node>;
  /** Values of theirs that are known without running anything. */
  readonly known: ReadonlyMap<string, Tensor>;
  readonly types: ReadonlyMap<string, ValueType>;
}

function planFolding(model: Model, growthBytesMax: number): Plan {
  const { graph } = model;
  const { types, constants } = inferModel(model, { tolerant: true });
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const reads = countReads(graph);
  const constant = new Set(graph.initialisers.keys());
  const foldable = new Set<Node>();
  const known = new Map<string, Tensor>();
  const sizeOf = (name: string): number => {
    const type = types.get(name);
    return type === undefined ? Number.POSITIVE_INFINITY : valueBytes(type);
  };
  // What all folding together may add: no chain of doublings gets far.
  let leftBytes = 1024 * 1024;
  for (const tensor of graph.initialisers.values()) leftBytes += tensor.data.byteLength;

  for (const node of graph.nodes) {
    const isOut = node.outputs.some((name) => outputs.has(name));
    if (isOut || node.domain !== '' || neverFolded.has(node.operator) || innerGraphs(node).length > 0) continue;
    const literal = node.operator === 'Constant' ? constantOf(node) : undefined;
    if (literal !== undefined) known.set(node.outputs[0] ?? '', literal);
    else {
      const inputs = node.inputs.filter((name) => name !== '');
      const values = node.outputs.map((name) => constants.get(name));
      const isKnown = values.length > 0 && values.every((value) => value !== undefined);
      const made = node.outputs.reduce((sum, name) => sum + (name === '' ? 0 : sizeOf(name)), 0);
      // A weight that others read as well stays, and the result would come on top of it.
      const from = inputs.reduce((sum, name) => sum + (reads.get(name) === 1 ? sizeOf(name) : 0), 0);
      if (!isKnown && (inputs.length === 0 || !inputs.every((name) => constant.has(name)))) continue;
      if (made > Math.max(growthBytesMax, from) || made > leftBytes) continue;
      leftBytes -= made;
      if (isKnown) node.outputs.forEach((name, index) => known.set(name, values[index] as Tensor));
    }
    foldable.add(node);
    for (const name of node.outputs) constant.add(name);
  }
  return { foldable, known, types };
}

/** Runs the nodes whose values are not known yet; undefined when the runtime cannot. */
async function compute({ graph, ...model }: Model, { foldable, known, types }: Plan): Promise<ReadonlyMap<string, Tensor> | undefined> {
  const reads = countReads({ ...graph, nodes: graph.nodes.filter((node) => !foldable.has(node)) });
  const nodes = [...foldable].filter((node) => !node.outputs.every((name) => known.has(name)));
  const outputs = nodes.flatMap((node) => node.outputs.filter((name) => reads.has(name)));
  if (outputs.length === 0) return new Map();
  const read = new Set(nodes.flatMap((node) => node.inputs));
  const constants: Graph = {
    name: 'constants',
    inputs: [],
    outputs: outputs.map((name) => ({ name, type: types.get(name)?.type ?? 'float32', dims: [], anyShape: true })),
    nodes,
    initialisers: new Map([...graph.initialisers, ...known].filter(([name]) => read.has(name))),
  };
  try {
    return await runModel({ ...model, graph: constants }, new Map(), { optimisation: 'disabled', quiet: true });
  } catch {
    // Whoever runs the model will hear of it, if that part of it is ever run.
    return undefined;
  }
}
