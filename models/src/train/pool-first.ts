import { ints, numberAttribute, type Model, type Node } from '../onnx/graph.ts';
import { inferModel } from '../onnx/infer-model.ts';
import { countReads, createNames } from '../onnx/scope.ts';
import { convGeometry, poolGeometry } from '../onnx/shape-rules/spatial.ts';
import type { ValueType } from '../onnx/shape-rules/rule.ts';
import { isTiled } from './gradients/max-pool.ts';

export interface PoolFirstOptions {
  readonly trainable: readonly string[];
  readonly dimensions: Readonly<Record<string, number>>;
}

/**
 * The same model in a form whose gradient is cheaper. What never turns the order of values round changes places with the
 * MaxPool after it, and has a quarter of the work then. A Conv under a MaxPool, whose input needs no gradient, finds the
 * first, second... elements of all windows in a convolution each, and the pool is the largest of these: no window has to
 * be taken apart, nor its gradient put together.
 */
export function poolFirst(model: Model, options: PoolFirstOptions): Model {
  const draft: Draft = { model, nodes: [...model.graph.nodes], idle: new Set(), fresh: createNames(model.graph) };
  swapActivations(draft);
  splitConvs(draft, options);
  return { ...model, graph: { ...model.graph, nodes: draft.nodes } };
}

interface Draft {
  readonly model: Model;
  readonly nodes: Node[];
  /** Nodes that only stay because a loss may ask for their value. */
  readonly idle: Set<Node>;
  readonly fresh: (hint: string) => string;
}

/** Looks up the only reader of a value, when there is one. */
function soleReaders({ model, nodes, idle }: Draft): (name: string) => Node | undefined {
  const busy = nodes.filter((node) => !idle.has(node));
  const reads = countReads({ ...model.graph, nodes: busy });
  const readers = new Map(busy.flatMap((node) => node.inputs.map((input) => [input, node] as const)));
  return (name) => (reads.get(name) === 1 ? readers.get(name) : undefined);
}

const isOrderly = (node: Node): boolean =>
  node.domain === '' && (node.operator === 'Relu' || (node.operator === 'LeakyRelu' && numberAttribute(node, 'alpha', 0.01) >= 0));

const isPool = (node: Node | undefined): node is Node =>
  node?.operator === 'MaxPool' && node.domain === '' && (node.outputs[1] ?? '') === '' && numberAttribute(node, 'ceil_mode', 0) === 0;

function swapActivations(draft: Draft): void {
  const soleReader = soleReaders(draft);
  for (const node of draft.nodes.slice()) {
    const pool = isOrderly(node) ? soleReader(node.outputs[0] ?? '') : undefined;
    if (!isPool(pool)) continue;
    const pooled = draft.fresh(pool.outputs[0] ?? '');
    draft.nodes.splice(draft.nodes.indexOf(pool), 1, { ...pool, inputs: node.inputs, outputs: [pooled] }, { ...node, inputs: [pooled], outputs: pool.outputs });
    draft.idle.add(node);
  }
}

function splitConvs(draft: Draft, { trainable, dimensions }: PoolFirstOptions): void {
  const soleReader = soleReaders(draft);
  const learning = new Set(trainable);
  let types: ReadonlyMap<string, ValueType> | undefined;
  for (const node of draft.nodes.slice()) {
    const learns = node.inputs.some((input) => learning.has(input));
    if (learns) for (const output of node.outputs) learning.add(output);
    const pool = node.operator === 'Conv' && node.domain === '' && !learning.has(node.inputs[0] ?? '') ? soleReader(node.outputs[0] ?? '') : undefined;
    if (!learns || !isPool(pool)) continue;
    types ??= inferModel({ ...draft.model, graph: { ...draft.model.graph, nodes: draft.nodes } }, { dimensions, tolerant: true }).types;
    const parts = convOfEachPlace(node, pool, types, draft.fresh);
    if (parts === undefined) continue;
    draft.nodes.splice(draft.nodes.indexOf(pool), 1, ...parts);
    draft.idle.add(node);
  }
}

/** A Conv for each place in a window of the pool, and the largest of them; undefined where the pads are too few to begin elsewhere. */
function convOfEachPlace(conv: Node, pool: Node, types: ReadonlyMap<string, ValueType>, fresh: (hint: string) => string): Node[] | undefined {
  const [x = '', w = ''] = conv.inputs;
  const [input, weights, output, pooled] = [x, w, conv.outputs[0] ?? '', pool.outputs[0] ?? ''].map((name) => types.get(name)?.dims);
  if (input === undefined || weights === undefined || output === undefined || pooled === undefined) return undefined;
  const window = poolGeometry(pool, output);
  const [size = 1] = window.kernel;
  if (!isTiled(window) || size !== 2) return undefined;
  const geometry = convGeometry(conv, weights, input);
  const axes = geometry.kernel.map((kernel, axis) => ({
    kernel,
    rows: input[axis + 2] ?? 0,
    count: pooled[axis + 2] ?? 0,
    stride: geometry.strides[axis] ?? 1,
    dilation: geometry.dilations[axis] ?? 1,
    pad: geometry.pads[axis] ?? 0,
  }));
  const places = Array.from({ length: size ** 2 }, (_, place) => [Math.floor(place / size), place % size]);
  const pads = places.map((place) => {
    const begins = axes.map(({ pad, stride }, axis) => pad - (place[axis] ?? 0) * stride);
    const ends = axes.map(({ rows, count, stride, dilation, kernel }, axis) => {
      const reach = (count - 1) * stride * size + dilation * (kernel - 1) + 1;
      return reach - rows - (begins[axis] ?? 0);
    });
    return { begins, ends };
  });
  // Too few pads in front, or rows left over that would make one more window.
  const isOdd = pads.some(({ begins, ends }) => begins.some((pad) => pad < 0) || ends.some((pad, axis) => -pad >= (axes[axis]?.stride ?? 1) * size));
  if (isOdd) return undefined;
  const strides = ints(axes.map(({ stride }) => stride * size));
  const convs = pads.map(({ begins, ends }): Node => {
    const { auto_pad: _, ...attributes } = conv.attributes;
    const name = fresh(conv.outputs[0] ?? '');
    return { ...conv, name, outputs: [name], attributes: { ...attributes, strides, pads: ints([...begins, ...ends.map((pad) => Math.max(0, pad))]) } };
  });
  const largest = (inputs: readonly string[], name: string): Node => ({ operator: 'Max', domain: '', name, inputs, outputs: [name], attributes: {} });
  const [a = '', b = '', c = '', d = ''] = convs.map(({ outputs }) => outputs[0] ?? '');
  const [above, below] = [fresh('above'), fresh('below')];
  return [...convs, largest([a, b], above), largest([c, d], below), largest([above, below], pool.outputs[0] ?? '')];
}
