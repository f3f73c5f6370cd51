import type { Graph, Model } from '../onnx/graph.ts';
import { simplify } from '../onnx/passes/simplify.ts';

export interface Prepared {
  readonly model: Model;
  /** What was changed, in words. */
  readonly changes: readonly string[];
}

/** The same function in the form the quantiser knows: current opset, nothing constant left to compute, every node with a name of its own. */
export async function prepare(model: Model): Promise<Prepared> {
  const changes: string[] = [];
  const simple = await simplify(model);
  if (simple.opsets[''] !== model.opsets['']) changes.push(`operator set ${model.opsets[''] ?? 0} became ${simple.opsets[''] ?? 0}`);
  const removed = model.graph.nodes.length - simple.graph.nodes.length;
  if (removed > 0) changes.push(`${removed} nodes were constant, copies or parts of another`);
  return { model: { ...simple, graph: nameNodes(simple.graph) }, changes };
}

/** Names that exist and are unique stay. */
export function nameNodes(graph: Graph): Graph {
  const taken = new Set<string>();
  const unique = (hint: string): string => {
    let name = hint;
    for (let index = 1; taken.has(name); index += 1) name = `${hint}_${index}`;
    taken.add(name);
    return name;
  };
  const nodes = graph.nodes.map((node) => {
    const name = unique(node.name === '' ? `${node.operator}_${node.outputs.find((output) => output !== '') ?? ''}` : node.name);
    return name === node.name ? node : { ...node, name };
  });
  return { ...graph, nodes };
}
