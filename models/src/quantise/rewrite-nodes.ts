import { SerinError } from '@serin/protocol/errors';

import type { Attribute, Graph, Model, Node, Tensor } from '../onnx/graph.ts';
import { removeDeadCode } from '../onnx/passes/remove-dead-code.ts';
import { createNames } from '../onnx/scope.ts';
import { nameNodes } from './prepare.ts';
import type { FloatReason, LeftInFloat, QuantiseReport } from './report.ts';

/** What a rewriting of single nodes may do. */
export interface NodeTools {
  readonly graph: Graph;
  /** Stores a constant under a fresh name. */
  constant(tensor: Tensor, hint: string): string;
  fresh(hint: string): string;
  /** Puts a node before the present one; returns the name of its first output. */
  add(operator: string, inputs: readonly string[], attributes?: Record<string, Attribute>, outputs?: readonly string[], domain?: string): string;
  /** Made once and shared by whoever asks with the same key. */
  once<Value>(key: string, make: () => Value): Value;
  warn(words: string): void;
}

export interface Refusal {
  readonly reason: FloatReason;
  readonly words: string;
}

/** The node that takes the place of this one, after those that were added; or why it stays as it is. */
export type NodeRewrite = (node: Node, tools: NodeTools) => Node | Refusal;

export interface Rewritten {
  readonly model: Model;
  readonly report: QuantiseReport;
}

const opsetMin = 13;
const runtimeDomain = 'com.microsoft';

export const refuse = (reason: FloatReason, words: string): Refusal => ({ reason, words });

/** Replaces nodes one by one. Inner graphs are not entered; operators of other domains stay as they are. */
export function rewriteNodes(model: Model, exclude: ReadonlySet<string>, rewrite: NodeRewrite): Rewritten {
  refuseOldOpset(model);
  const graph = nameNodes(model.graph);
  const initialisers = new Map(graph.initialisers);
  const fresh = createNames(graph);
  const shared = new Map<string, unknown>();
  const nodes: Node[] = [];
  const report = { quantised: [] as string[], absorbed: [] as string[], left: [] as LeftInFloat[], warnings: [] as string[] };
  const tools: NodeTools = {
    graph,
    fresh,
    warn: (words) => report.warnings.push(words),
    constant: (tensor, hint) => {
      const name = fresh(hint);
      initialisers.set(name, tensor);
      return name;
    },
    add: (operator, inputs, attributes = {}, outputs = [fresh(operator.toLowerCase())], domain = '') => {
      nodes.push({ operator, domain, name: '', inputs, outputs, attributes });
      return outputs[0] ?? '';
    },
    once: (key, make) => {
      if (!shared.has(key)) shared.set(key, make());
      return shared.get(key) as ReturnType<typeof make>;
    },
  };

  for (const node of graph.nodes) {
    const outcome = refusalOf(node, exclude) ?? rewrite(node, tools);
    if ('reason' in outcome) report.left.push({ node: node.name, operator: node.operator, ...outcome });
    else report.quantised.push(node.name);
    nodes.push('reason' in outcome ? node : outcome);
  }
  const usesRuntime = nodes.some(({ domain }) => domain === runtimeDomain);
  const opsets = usesRuntime ? { [runtimeDomain]: 1, ...model.opsets } : model.opsets;
  const rewritten = { ...model, opsets, graph: nameNodes({ ...graph, nodes, initialisers }) };
  return { model: removeDeadCode(rewritten), report };
}

export function refuseOldOpset({ opsets }: Model): void {
  const opset = opsets[''] ?? opsetMin;
  if (opset >= opsetMin) return;
  throw new SerinError('MODEL_UNSUPPORTED', { detail: `opset ${opset} cannot be quantised`, hint: 'Prepare the model first, which raises its opset' });
}

/** Why no format touches this node, whatever it computes. */
export function refusalOf(node: Node, exclude: ReadonlySet<string>): Refusal | undefined {
  if (exclude.has(node.name)) return refuse('excluded', 'it was to be left out');
  if (node.domain !== '') return refuse('domain', `it is an operator of ${node.domain}`);
  return undefined;
}
