import { createGraphBuilder, type GraphBuilder } from '../../onnx/builder.ts';
import { elementCount, int, longs, type Attribute, type Graph, type Node, type Tensor } from '../../onnx/graph.ts';
import type { ValueType } from '../../onnx/shape-rules/rule.ts';
import { countReads, namesDefined, valuesRead } from '../../onnx/scope.ts';
import { castTo } from '../tape.ts';

/** The runtime's own operators on pictures whose channels lie in blocks. */
export const blockedDomain = 'com.microsoft.nchwc';

/**
 * Writes a graph anew. A value [N, C, H, W] may lie in memory as it says or in blocks, [N, C / block, H, W, block] under
 * the name of the first shape, which is how the runtime's vector kernels want pictures; it is turned from one to the other
 * when somebody asks, and once.
 */
export interface BlockedWriter {
  readonly block: number;
  readonly builder: GraphBuilder;
  /** The type of a value of the graph being rewritten. */
  type(name: string): ValueType;
  /** Whole numbers that are known before the graph runs. */
  constant(name: string): readonly number[] | undefined;
  maker(name: string): Node | undefined;
  /** The nodes that read a value; undefined when it also leaves the graph. */
  readers(name: string): readonly Node[] | undefined;
  /** The value as it says. */
  plain(name: string): string;
  /** The value in blocks. */
  blocked(name: string): string;
  /** Whether it is in blocks, and nobody had it turned yet. */
  isBlocked(name: string): boolean;
  /** Whether it is in blocks, turned or not. */
  hasBlocks(name: string): boolean;
  /** Leaves a node out until somebody asks for its value as it says. */
  defer(node: Node): void;
  isDeferred(name: string): boolean;
  /** Whether it was written, in either form. */
  isDone(name: string): boolean;
  /** Whether its shape fits into blocks. */
  fits(name: string): boolean;
  /** Says that `made`, in blocks, is the value. */
  keep(name: string, made: string): void;
  add(operator: string, inputs: readonly string[], attributes?: Record<string, Attribute>): string;
  addBlocked(operator: string, inputs: readonly string[], attributes?: Record<string, Attribute>): string;
  reshape(value: string, dims: readonly number[]): string;
  longs(values: readonly number[]): string;
  /** Adds the node that makes the value as it says. */
  make(name: string, operator: string, inputs: readonly string[], attributes?: Record<string, Attribute>, domain?: string): void;
  /** Copies a node as it is. */
  copy(node: Node): void;
}

export interface KnownValues {
  readonly types: ReadonlyMap<string, ValueType>;
  readonly constants: ReadonlyMap<string, Tensor>;
}

export function createWriter(graph: Graph, { types, constants }: KnownValues, block: number): BlockedWriter {
  const builder = createGraphBuilder(graph.name, namesDefined(graph));
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const readers = new Map<string, Node[]>();
  for (const node of graph.nodes) for (const input of new Set(node.inputs)) readers.set(input, [...(readers.get(input) ?? []), node]);
  const reads = countReads(graph);
  const plain = new Set<string>([...graph.inputs.map(({ name }) => name), ...graph.initialisers.keys()]);
  const blocked = new Map<string, string>();
  const deferred = new Map<string, Node>();
  const numbers = new Map<string, string>();

  for (const { name, type, dims } of graph.inputs) builder.input(name, type, dims);
  for (const [name, tensor] of graph.initialisers) builder.constant(tensor, name);

  const add = (operator: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}, domain = ''): string =>
    builder.add(operator, inputs, attributes, undefined, domain);
  const type = (name: string): ValueType => types.get(name) as ValueType;

  const writer: BlockedWriter = {
    block,
    builder,
    type,
    constant: (name) => {
      const tensor = constants.get(name);
      return tensor === undefined ? undefined : Array.from(tensor.data as ArrayLike<number | bigint>, Number);
    },
    maker: (name) => makers.get(name),
    readers: (name) => {
      const found = readers.get(name) ?? [];
      return found.reduce((sum, { inputs }) => sum + inputs.filter((input) => input === name).length, 0) === (reads.get(name) ?? 0) ? found : undefined;
    },
    plain: (name) => {
      const waiting = deferred.get(name);
      if (waiting !== undefined && deferred.delete(name)) writer.copy(waiting);
      const from = plain.has(name) || name === '' ? undefined : blocked.get(name);
      if (from === undefined) return name;
      const { type: element, dims } = type(name);
      const channels = { channels: int(dims[1] ?? 0) };
      if (element === 'float32') builder.add('ReorderOutput', [from], channels, [name], blockedDomain);
      else {
        const turned = writer.addBlocked('ReorderOutput', [add('Cast', [from], castTo('float32'))], channels);
        builder.add('Cast', [turned], castTo(element), [name]);
      }
      plain.add(name);
      return name;
    },
    blocked: (name) => {
      const known = blocked.get(name);
      if (known !== undefined) return known;
      const made = writer.addBlocked('ReorderInput', [writer.plain(name)]);
      blocked.set(name, made);
      return made;
    },
    isBlocked: (name) => blocked.has(name) && !plain.has(name),
    hasBlocks: (name) => blocked.has(name),
    defer: (node) => {
      for (const output of node.outputs) deferred.set(output, node);
    },
    isDeferred: (name) => deferred.has(name),
    isDone: (name) => blocked.has(name) || plain.has(name),
    fits: (name) => {
      const { dims } = type(name);
      return dims.length === 4 && (dims[1] ?? 0) % block === 0 && elementCount(dims) > 0;
    },
    keep: (name, made) => {
      blocked.set(name, made);
    },
    add,
    addBlocked: (operator, inputs, attributes) => add(operator, inputs, attributes, blockedDomain),
    reshape: (value, dims) => add('Reshape', [value, writer.longs(dims)]),
    longs: (values) => {
      const key = values.join();
      const known = numbers.get(key) ?? builder.constant(longs(values));
      numbers.set(key, known);
      return known;
    },
    make: (name, operator, inputs, attributes = {}, domain = '') => {
      builder.add(operator, inputs, attributes, [name], domain);
      plain.add(name);
    },
    copy: (node) => {
      for (const name of valuesRead(node)) writer.plain(name);
      builder.append(node);
      for (const output of node.outputs) plain.add(output);
    },
  };
  return writer;
}

/** The shape in memory of a value in blocks. */
export function inMemory({ block, type }: BlockedWriter, name: string): [number, number, number, number, number] {
  const [batch = 0, channels = 0, height = 0, width = 0] = type(name).dims;
  return [batch, channels / block, height, width, block];
}
