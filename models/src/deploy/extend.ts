import { checkModel } from '../onnx/check.ts';
import {
  floats,
  int,
  longs,
  scalar,
  type Attribute,
  type Dimension,
  type ElementType,
  type Model,
  type Node,
  type Tensor,
  type ValueInfo,
} from '../onnx/graph.ts';
import { removeDeadCode } from '../onnx/passes/remove-dead-code.ts';
import { createNames, renameReads } from '../onnx/scope.ts';
import { nameNodes } from '../quantise/prepare.ts';

/** Writes nodes after those a model has. */
export interface GraphTools {
  /** What a value of the model is called now: it makes way for an output that is given its name. */
  at(name: string): string;
  add(operator: string, inputs: readonly string[], attributes?: Record<string, Attribute>, outputs?: readonly string[]): string;
  /** As many values as wanted, of a node that has several. */
  several(operator: string, inputs: readonly string[], count: number, attributes?: Record<string, Attribute>): string[];
  /** Parts of these sizes along an axis. */
  split(value: string, axis: number, sizes: readonly number[]): string[];
  constant(tensor: Tensor): string;
  number(value: number): string;
  whole(values: readonly number[]): string;
  table(dims: readonly number[], values: ArrayLike<number>): string;
  /** Makes a value an output under this name. */
  output(name: string, type: ElementType, dims: readonly Dimension[], value: string): void;
}

export interface Extension {
  /** Before the names of new nodes and values. */
  readonly stem: string;
  /** Names of the outputs that are made. */
  readonly makes: readonly string[];
  /** Which of the present outputs stay; all but those made anew unless told. */
  readonly keep?: (output: ValueInfo) => boolean;
}

/** The model with nodes after its own; what only dropped outputs needed goes. */
export function extendModel(model: Model, { stem, makes, keep = () => true }: Extension, write: (tools: GraphTools) => void): Model {
  const { graph, renamed } = makeWay(model, makes);
  const fresh = createNames(graph);
  const nodes: Node[] = [...graph.nodes];
  const initialisers = new Map(graph.initialisers);
  const made: ValueInfo[] = [];

  const append = (operator: string, inputs: readonly string[], attributes: Record<string, Attribute>, results: readonly string[]): void => {
    nodes.push({ operator, domain: '', name: results[0] ?? '', inputs, outputs: results, attributes });
  };
  const constant = (tensor: Tensor): string => {
    const name = fresh(`${stem}/constant`);
    initialisers.set(name, tensor);
    return name;
  };
  const tools: GraphTools = {
    at: (name) => renamed.get(name) ?? name,
    add: (operator, inputs, attributes = {}, results = [fresh(`${stem}/${operator.toLowerCase()}`)]) => {
      append(operator, inputs, attributes, results);
      return results[0] ?? '';
    },
    several: (operator, inputs, count, attributes = {}) => {
      const results = Array.from({ length: count }, () => fresh(`${stem}/${operator.toLowerCase()}`));
      append(operator, inputs, attributes, results);
      return results;
    },
    split: (value, axis, sizes) => tools.several('Split', [value, tools.whole(sizes)], sizes.length, { axis: int(axis) }),
    constant,
    number: (value) => constant(scalar(value)),
    whole: (values) => constant(longs(values)),
    table: (dims, values) => constant(floats(dims, values)),
    output: (name, type, dims, value) => {
      append('Identity', [value], {}, [name]);
      made.push({ name, type, dims });
    },
  };
  write(tools);
  // New outputs are where the first was that they replace: readers that know no names take the first one.
  const isKept = (output: ValueInfo): boolean => !renamed.has(output.name) && keep(output);
  const place = graph.outputs.findIndex((output) => !isKept(output));
  const before = place === -1 ? graph.outputs : graph.outputs.slice(0, place);
  const outputs = [...before, ...made, ...graph.outputs.slice(before.length).filter(isKept)];
  return removeDeadCode(checkModel({ ...model, graph: nameNodes({ ...graph, nodes: withoutCopies(nodes, outputs), initialisers, outputs }) }));
}

/** A value that only becomes an output takes the output's name, and the copy goes. */
function withoutCopies(nodes: readonly Node[], outputs: readonly ValueInfo[]): Node[] {
  const renamed = new Map<string, string>();
  const wanted = new Set(outputs.map(({ name }) => name));
  const made = new Set(nodes.flatMap(({ outputs }) => outputs));
  const kept = nodes.filter(({ operator, inputs: [from = ''], outputs: [to = ''] }) => {
    if (operator !== 'Identity' || !wanted.has(to) || wanted.has(from) || !made.has(from) || renamed.has(from)) return true;
    renamed.set(from, to);
    return false;
  });
  const change = (name: string): string => renamed.get(name) ?? name;
  return kept.map((node) => {
    const reading = renameReads(node, renamed);
    return node.outputs.some((name) => renamed.has(name)) ? { ...reading, outputs: node.outputs.map(change) } : reading;
  });
}

/** The graph with other names for the values whose names are wanted for new outputs. */
function makeWay({ graph }: Model, makes: readonly string[]): { graph: Model['graph']; renamed: ReadonlyMap<string, string> } {
  const fresh = createNames(graph);
  const computed = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  const renamed = new Map(makes.filter((name) => computed.has(name)).map((name) => [name, fresh(`${name}_before`)]));
  if (renamed.size === 0) return { graph, renamed };
  const nodes = graph.nodes.map((node) => ({ ...renameReads(node, renamed), outputs: node.outputs.map((name) => renamed.get(name) ?? name) }));
  return { graph: { ...graph, nodes }, renamed };
}

/** The node that makes a value. */
export const makerOf = (model: Model, value: string): Node | undefined => model.graph.nodes.find(({ outputs }) => outputs.includes(value));
