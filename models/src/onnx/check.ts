import { SerinError, type ErrorCode } from '@serin/protocol/errors';

import { attributeFault } from './attribute-rules.ts';
import { elementCount, type Graph, type Model, type Node, type Tensor } from './graph.ts';
import { innerGraphs, sortNodes } from './scope.ts';
import { nodeTitle } from './shape-rules/rule.ts';

export interface ModelLimits {
  /** Nodes of all graphs together. */
  readonly nodesMax: number;
  /** Elements of one value. */
  readonly elementsMax: number;
  readonly rankMax: number;
}

export const modelLimits: ModelLimits = { nodesMax: 200_000, elementsMax: 2 ** 29, rankMax: 32 };

/** Standard operator sets that the runtime of this release implements. */
const opsetMin = 7;
const opsetMax = 26;
const knownDomains: ReadonlySet<string> = new Set(['', 'ai.onnx.ml', 'com.microsoft']);
const operatorPattern = /^[A-Z]\w*$/;
/** More say nothing new. */
const faultsMax = 100;

export interface Fault {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly hint: string;
}

const remade = 'Export the model again; if that does not help, it is a fault of the exporter';

/** Everything that is wrong with the graph itself; whether shapes fit is for shape inference. */
export function findFaults(model: Model, limits: ModelLimits = modelLimits): Fault[] {
  const faults: Fault[] = [];
  const fault = (detail: string, hint = remade, code: ErrorCode = 'MODEL_INVALID'): void => {
    if (faults.length < faultsMax) faults.push({ code, detail, hint });
  };
  const nodes = [...allNodes(model.graph)];
  if (nodes.length > limits.nodesMax) {
    fault(`${nodes.length} nodes, more than the limit of ${limits.nodesMax}`, 'Make the model smaller, or raise the limit');
    return faults;
  }
  checkOpsets(model, nodes, fault);
  if (model.graph.outputs.length === 0) fault('it has no outputs', 'Mark at least one value as output when exporting', 'MODEL_UNSUPPORTED');
  checkNames(model.graph, () => false, fault);
  checkSizes(model.graph, limits, fault);
  for (const node of nodes) {
    for (const [name, attribute] of Object.entries(node.attributes)) {
      const detail = node.domain === '' ? attributeFault(node.operator, name, attribute, limits.rankMax) : undefined;
      if (detail !== undefined) fault(`${nodeTitle(node)}: attribute ${name} ${detail}`);
    }
  }
  return faults;
}

/** The model with its nodes in an order they can run in; throws the first fault. */
export function checkModel(model: Model, limits: ModelLimits = modelLimits): Model {
  const [first, ...others] = findFaults(model, limits);
  if (first !== undefined) {
    const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
    throw new SerinError(first.code, { detail: `${first.detail}${more}`, hint: first.hint });
  }
  const nodes = sortNodes(model.graph.nodes) ?? [];
  return nodes === model.graph.nodes ? model : { ...model, graph: { ...model.graph, nodes } };
}

type Report = (detail: string, hint?: string, code?: ErrorCode) => void;

function* allNodes(graph: Graph): Generator<Node> {
  for (const node of graph.nodes) {
    yield node;
    for (const inner of innerGraphs(node)) yield* allNodes(inner);
  }
}

function checkOpsets({ opsets }: Model, nodes: readonly Node[], fault: Report): void {
  const used = new Map(nodes.map((node) => [node.domain, node]));
  for (const [domain, node] of used) {
    if (!knownDomains.has(domain)) {
      const hint = 'Only standard, ai.onnx.ml and com.microsoft operators run on every device';
      fault(`${nodeTitle(node)}: it uses operators of ${domain}`, hint, 'MODEL_UNSUPPORTED');
    } else if (opsets[domain] === undefined) fault(`${nodeTitle(node)}: the model names no version of the operator set ${domain === '' ? 'ai.onnx' : domain}`);
  }
  const standard = opsets[''];
  if (standard !== undefined && (standard < opsetMin || standard > opsetMax)) {
    const hint = `Export it with an opset from ${opsetMin} to ${opsetMax}; 17 suits every target`;
    fault(`its operator set is version ${standard}`, hint, 'MODEL_UNSUPPORTED');
  }
}

/** Every name is defined once, over inner graphs too, and before it is read. */
function checkNames(graph: Graph, isOuter: (name: string) => boolean, fault: Report): void {
  // Asked for, not copied: a file may have a great many inner graphs.
  const own = new Set<string>();
  const isKnown = (name: string): boolean => own.has(name) || isOuter(name);
  const define = (name: string, what: string): void => {
    if (name === '') fault(`${what} has no name`);
    else if (isKnown(name)) fault(`${what} ${name} has a name that is taken already`);
    own.add(name);
  };
  for (const { name } of graph.inputs) define(name, 'input');
  for (const name of graph.initialisers.keys()) define(name, 'weight');
  for (const node of graph.nodes) {
    if (!operatorPattern.test(node.operator)) fault(`node ${node.name} has no operator that could exist: ${node.operator}`);
    for (const name of node.outputs) if (name !== '') define(name, `output of ${nodeTitle(node)},`);
  }

  const titles = new Set<string>();
  for (const { name } of graph.nodes) {
    if (name !== '' && titles.has(name)) fault(`two nodes are called ${name}`);
    titles.add(name);
  }

  let complete = true;
  for (const node of graph.nodes) {
    const missing = node.inputs.filter((name) => name !== '' && !isKnown(name));
    if (missing.length > 0) fault(`${nodeTitle(node)}: nothing defines its input ${missing.join(', ')}`);
    complete &&= missing.length === 0;
    for (const inner of innerGraphs(node)) checkNames(inner, isKnown, fault);
  }
  const asked = new Set<string>();
  for (const { name } of graph.outputs) {
    if (!isKnown(name)) fault(`nothing defines the output ${name}`);
    if (asked.has(name)) fault(`the output ${name} is listed twice`);
    asked.add(name);
  }
  if (complete && sortNodes(graph.nodes) === undefined) fault('its nodes form a cycle');
}

function checkSizes(graph: Graph, { elementsMax, rankMax }: ModelLimits, fault: Report): void {
  const smaller = 'Make the value smaller, or raise the limit';
  const check = (what: string, dims: readonly number[]): void => {
    if (dims.length > rankMax) fault(`${what} has ${dims.length} dimensions, more than the limit of ${rankMax}`, smaller);
    else if (elementCount(dims) > elementsMax) fault(`${what} has more than ${elementsMax} elements: [${dims.join(', ')}]`, smaller);
  };
  const numbers = (dims: readonly (number | string)[]): number[] => dims.filter((dim) => typeof dim === 'number');
  for (const { name, dims } of graph.inputs) check(`input ${name}`, numbers(dims));
  for (const { name, dims } of graph.outputs) check(`output ${name}`, numbers(dims));
  for (const [name, { dims }] of graph.initialisers) check(`weight ${name}`, dims);

  const constants = new Map<string, Tensor>(graph.initialisers);
  for (const node of graph.nodes) {
    const value = node.attributes['value'];
    if (node.operator === 'Constant' && value?.kind === 'tensor') constants.set(node.outputs[0] ?? '', value.value as Tensor);
    const wanted = constants.get(node.inputs[shapeInputOf[node.operator] ?? -1] ?? '');
    // A shape of more dimensions than the limit is not even converted.
    if (wanted?.type === 'int64')
      check(
        `${nodeTitle(node)}: its result`,
        Array.from(wanted.data.subarray(0, rankMax + 1) as BigInt64Array, (dim) => Math.abs(Number(dim))),
      );
    for (const inner of innerGraphs(node)) checkSizes(inner, { elementsMax, rankMax, nodesMax: 0 }, fault);
  }
}

/** Which input says how large the result is: a few bytes that can ask for any amount of memory. */
const shapeInputOf: Readonly<Record<string, number>> = { ConstantOfShape: 0, Expand: 1 };
