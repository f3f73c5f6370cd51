import { elementValues } from './element-values.ts';
import type { Attribute, Dimension, ElementType, Graph, Model, Node, Tensor } from './graph.ts';
import type { InferredModel } from './infer-model.ts';

/** A list longer than this ends in how many more there are. */
const listedMax = 12;
const nameLengthMax = 120;

/** A graph for people: inputs, weights with their range, a line for each node with what it makes, outputs. */
export function dumpModel(model: Model, inferred?: InferredModel): string {
  const opsets = Object.entries(model.opsets).map(([domain, version]) => `${domain === '' ? 'ai.onnx' : domain} ${version}`);
  const metadata = Object.entries(model.metadata).map(([key, value]) => `metadata  ${named(key)} = ${named(value)}`);
  const producer = model.producer === '' ? '' : `, by ${named(model.producer)}`;
  return [
    `model   ${named(model.graph.name)}: opset ${opsets.map(named).join(', ')}, IR ${model.irVersion}${producer}`,
    ...metadata,
    ...graphLines(model.graph, '', inferred),
    '',
  ].join('\n');
}

function graphLines(graph: Graph, indent: string, inferred?: InferredModel): string[] {
  const typeOf = (name: string): string => {
    const type = inferred?.types.get(name);
    return type === undefined ? '' : `: ${typeText(type.type, type.dims)}`;
  };
  const declared = (kind: string, { name, type, dims, anyShape }: Graph['inputs'][number]): string =>
    `${indent}${kind}  ${named(name)}: ${anyShape === true ? `${type}[?]` : typeText(type, dims)}`;
  return [
    ...graph.inputs.map((input) => declared('input ', input)),
    ...[...graph.initialisers].map(([name, tensor]) => `${indent}weight  ${named(name)}: ${tensorText(tensor)}`),
    ...graph.nodes.flatMap((node) => nodeLines(node, indent, typeOf)),
    ...graph.outputs.map((output) => declared('output', output)),
  ];
}

function nodeLines(node: Node, indent: string, typeOf: (name: string) => string): string[] {
  const outputs = listed(node.outputs, (name) => (name === '' ? '_' : `${named(name)}${typeOf(name)}`));
  const inputs = listed(node.inputs, (name) => (name === '' ? '_' : named(name)));
  const attributes = Object.entries(node.attributes).filter(([, { kind }]) => kind !== 'graph');
  const operator = node.domain === '' ? node.operator : `${node.domain}:${node.operator}`;
  const line = [
    `${indent}${outputs} = ${named(operator)}(${inputs})`,
    ...attributes.map(([name, attribute]) => `${named(name)}=${attributeText(attribute)}`),
  ].join(' ');
  const bodies = Object.entries(node.attributes).flatMap(([name, { kind, value }]) =>
    kind === 'graph' ? [`${indent}  ${named(name)}:`, ...graphLines(value as Graph, `${indent}    `)] : [],
  );
  return [line, ...bodies];
}

const typeText = (type: ElementType, dims: readonly Dimension[]): string => `${type}[${dims.map((dim) => named(String(dim))).join(', ')}]`;

function tensorText(tensor: Tensor): string {
  const { type, dims, data } = tensor;
  if (data.length === 0) return typeText(type, dims);
  if (data.length <= listedMax) return `${typeText(type, dims)} ${[...elementValues(tensor)].map(numberText).join(' ')}`;
  let [low, high, odd] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (const value of elementValues(tensor)) {
    if (!Number.isFinite(value)) odd += 1;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return `${typeText(type, dims)} ${numberText(low)} .. ${numberText(high)}${odd === 0 ? '' : `, ${odd} not finite`}`;
}

function attributeText({ kind, value }: Attribute): string {
  if (kind === 'tensor') return tensorText(value as Tensor);
  if (kind === 'string') return `"${named(value as string)}"`;
  if (kind === 'strings') return `[${listed(value as readonly string[], (item) => `"${named(item)}"`)}]`;
  return typeof value === 'number' ? numberText(value) : `[${listed(value as readonly number[], numberText)}]`;
}

const numberText = (value: number): string => (Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4))));

function listed<Item>(items: readonly Item[], text: (item: Item) => string): string {
  const shown = items.slice(0, listedMax).map(text);
  return items.length > listedMax ? `${shown.join(', ')}, … ${items.length - listedMax} more` : shown.join(', ');
}

/** A text of the file on one line, without what a terminal would obey, and not endless. */
const named = (name: string): string => {
  const plain = name.replace(/\p{C}+/gu, '?');
  return plain.length > nameLengthMax ? `${plain.slice(0, nameLengthMax)}…` : plain;
};
