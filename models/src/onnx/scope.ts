import type { Attribute, Graph, Node } from './graph.ts';

/** Graphs inside a node: the branches of an If, the body of a Loop or Scan. */
export const innerGraphs = (node: Node): Graph[] =>
  Object.values(node.attributes)
    .filter(({ kind }) => kind === 'graph')
    .map(({ value }) => value as Graph);

/** Every value a node reads: its inputs, and what its inner graphs take from around them. */
export function valuesRead(node: Node): string[] {
  return [...node.inputs.filter((name) => name !== ''), ...innerGraphs(node).flatMap(takenFromOutside)];
}

function takenFromOutside(graph: Graph): string[] {
  const own = new Set(namesDefined(graph));
  const read = [...graph.nodes.flatMap(valuesRead), ...graph.outputs.map(({ name }) => name)];
  return read.filter((name) => !own.has(name));
}

/** In the order in which they come into being; a name defined twice comes twice. */
export const namesDefined = (graph: Graph): string[] => [
  ...graph.inputs.map(({ name }) => name),
  ...graph.initialisers.keys(),
  ...graph.nodes.flatMap((node) => node.outputs.filter((name) => name !== '')),
];

/** The node with every inner graph replaced. */
export function mapInnerGraphs(node: Node, change: (graph: Graph) => Graph): Node {
  if (innerGraphs(node).length === 0) return node;
  const attributes = Object.entries(node.attributes).map(([name, attribute]): [string, Attribute] => [
    name,
    attribute.kind === 'graph' ? { kind: 'graph', value: change(attribute.value as Graph) } : attribute,
  ]);
  return { ...node, attributes: Object.fromEntries(attributes) };
}

/** The node reading other values, in its inner graphs too. Names are unique over all of them, so nothing is shadowed. */
export function renameReads(node: Node, renamed: ReadonlyMap<string, string>): Node {
  const change = (name: string): string => renamed.get(name) ?? name;
  const inner = mapInnerGraphs(node, (graph) => ({
    ...graph,
    nodes: graph.nodes.map((each) => renameReads(each, renamed)),
    outputs: graph.outputs.map((output) => ({ ...output, name: change(output.name) })),
  }));
  return node.inputs.some((name) => renamed.has(name)) ? { ...inner, inputs: node.inputs.map(change) } : inner;
}

/** How often every value is read: by nodes, from inner graphs, as an output. */
export function countReads(graph: Graph): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of [...graph.nodes.flatMap(valuesRead), ...graph.outputs.map((output) => output.name)]) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

/** The nodes in an order in which each comes after those it reads from: the present one if it will do; undefined when they form a cycle. */
export function sortNodes(nodes: readonly Node[]): readonly Node[] | undefined {
  const makers = new Map(nodes.flatMap((node, index) => node.outputs.filter((name) => name !== '').map((name) => [name, index] as const)));
  const readers: number[][] = nodes.map(() => []);
  const waiting = nodes.map((node, index) => {
    const from = new Set(valuesRead(node).flatMap((name) => makers.get(name) ?? []));
    for (const maker of from) readers[maker]?.push(index);
    return from.size;
  });
  const inOrder = waiting.every((_, index) => readers[index]?.every((reader) => reader > index) ?? true);
  if (inOrder) return nodes;

  const ready = waiting.flatMap((count, index) => (count === 0 ? [index] : []));
  const sorted: Node[] = [];
  for (const index of ready) {
    sorted.push(nodes[index] as Node);
    for (const reader of readers[index] ?? []) {
      waiting[reader] = (waiting[reader] ?? 0) - 1;
      if (waiting[reader] === 0) ready.push(reader);
    }
  }
  return sorted.length === nodes.length ? sorted : undefined;
}

/** Makes names that the graph and its inner graphs do not use yet. */
export function createNames(graph: Graph): (hint: string) => string {
  const taken = new Set(allNames(graph));
  return (hint) => {
    let name = hint;
    for (let index = 1; taken.has(name); index += 1) name = `${hint}_${index}`;
    taken.add(name);
    return name;
  };
}

const allNames = (graph: Graph): string[] => [
  ...namesDefined(graph),
  ...graph.outputs.map(({ name }) => name),
  ...graph.nodes.flatMap((node) => innerGraphs(node).flatMap(allNames)),
];
