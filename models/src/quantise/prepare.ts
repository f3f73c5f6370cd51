import type { Graph, Model } from '../onnx/graph.ts';
import { removeDeadCode } from '../onnx/passes/remove-dead-code.ts';
import { simplify } from '../onnx/passes/simplify.ts';
import { differenceToSum, divisionToProduct, nothingToDo, oneSlope } from './rewrites/arithmetic.ts';
import { hardSwish, hardSwishOperator } from './rewrites/hard-swish.ts';
import { plainGemm, sumAfterMatMul } from './rewrites/linear.ts';
import { applyRule, type RewriteRule } from './rewrites/rewriter.ts';
import { meanToPool, padsOfConv } from './rewrites/spatial.ts';

export interface Prepared {
  readonly model: Model;
  /** What was changed, in words. */
  readonly changes: readonly string[];
}

/** In this order: later ones build on the forms that earlier ones leave. */
const rules: readonly RewriteRule[] = [
  divisionToProduct,
  differenceToSum,
  oneSlope,
  hardSwish,
  hardSwishOperator,
  meanToPool,
  padsOfConv,
  sumAfterMatMul,
  plainGemm,
  nothingToDo,
];

/** The same function in the form the quantiser knows: current opset, nothing constant left to compute, every node with a name of its own. */
export async function prepare(model: Model): Promise<Prepared> {
  const changes: string[] = [];
  const simple = await simplify(model);
  if (simple.opsets[''] !== model.opsets['']) changes.push(`operator set ${model.opsets[''] ?? 0} became ${simple.opsets[''] ?? 0}`);
  const removed = model.graph.nodes.length - simple.graph.nodes.length;
  if (removed > 0) changes.push(`${removed} nodes were constant, copies or parts of another`);
  let current = simple;
  for (const rule of rules) {
    const { model: rewritten, count } = applyRule(current, rule);
    if (count > 0) changes.push(`${count} x ${rule.words}`);
    current = count > 0 ? removeDeadCode(rewritten) : current;
  }
  // Sums and products that came to be may fold into the layer before them.
  if (current !== simple) current = await simplify(current);
  return { model: { ...current, graph: nameNodes(current.graph) }, changes };
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
