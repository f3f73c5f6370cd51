import type { Graph, Model, Node } from '../graph.ts';
import { mapInnerGraphs, renameReads, valuesRead } from '../scope.ts';

/** Drops what no output depends on, and nodes that hand their input on unchanged. Nodes must be in order. */
export function removeDeadCode(model: Model): Model {
  const graph = sweep(bypass(model.graph));
  const isSame = graph.nodes.length === model.graph.nodes.length && graph.initialisers.size === model.graph.initialisers.size;
  return isSame && graph.nodes.every((node, index) => node === model.graph.nodes[index]) ? model : { ...model, graph };
}

/** Outputs nobody reads may be left out of these; elsewhere their number has a meaning. */
const trimmable: ReadonlySet<string> = new Set(['Dropout', 'MaxPool', 'BatchNormalization', 'LayerNormalization']);

/** The value such a node repeats as its first output. */
function repeated(node: Node, graph: Graph): string | undefined {
  if (node.domain !== '') return undefined;
  if (node.operator === 'Identity') return node.inputs[0];
  if (node.operator !== 'Dropout' || node.outputs.slice(1).some((name) => name !== '')) return undefined;
  const training = node.inputs[2] ?? '';
  const flag = graph.initialisers.get(training);
  return training === '' || (flag !== undefined && Number(flag.data[0]) === 0) ? node.inputs[0] : undefined;
}

function bypass(graph: Graph): Graph {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const made = new Set(graph.nodes.flatMap((node) => node.outputs));
  const renamed = new Map<string, string>();
  /** Values of a node that take the name of the output they are repeated as. */
  const promoted = new Map<string, string>();
  const kept: Node[] = [];
  for (const original of graph.nodes) {
    const node = renameReads(original, renamed);
    const source = repeated(node, graph);
    const output = node.outputs[0] ?? '';
    if (source === undefined) kept.push(node);
    else if (!outputs.has(output)) renamed.set(output, source);
    else if (made.has(source) && !outputs.has(source) && !promoted.has(source)) promoted.set(source, output);
    else kept.push(node);
  }
  const nodes = promoted.size === 0 ? kept : kept.map((node) => renameOutputs(renameReads(node, promoted), promoted));
  return nodes.length === graph.nodes.length ? graph : { ...graph, nodes };
}

const renameOutputs = (node: Node, renamed: ReadonlyMap<string, string>): Node =>
  node.outputs.some((name) => renamed.has(name)) ? { ...node, outputs: node.outputs.map((name) => renamed.get(name) ?? name) } : node;

function sweep(graph: Graph): Graph {
  const live = new Set(graph.outputs.map(({ name }) => name));
  const kept: Node[] = [];
  for (const original of graph.nodes.toReversed()) {
    if (!original.outputs.some((name) => live.has(name))) continue;
    const node = trimOutputs(mapInnerGraphs(original, sweep), live);
    kept.push(node);
    for (const name of valuesRead(node)) live.add(name);
  }
  const initialisers = new Map([...graph.initialisers].filter(([name]) => live.has(name)));
  return { ...graph, nodes: kept.reverse(), initialisers };
}

function trimOutputs(node: Node, live: ReadonlySet<string>): Node {
  if (!trimmable.has(node.operator) || node.outputs.every((name) => name === '' || live.has(name))) return node;
  const outputs = node.outputs.map((name) => (live.has(name) ? name : ''));
  return { ...node, outputs: outputs.slice(0, outputs.findLastIndex((name) => name !== '') + 1) };
}
