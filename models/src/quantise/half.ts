import { elementTypeCodes } from '../onnx/model-file.ts';
import { elementCount, int, numberAttribute, type Model, type Node, type Tensor } from '../onnx/graph.ts';
import { inferModel, type InferredModel } from '../onnx/infer-model.ts';
import { removeDeadCode } from '../onnx/passes/remove-dead-code.ts';
import { createNames, innerGraphs, renameReads, valuesRead } from '../onnx/scope.ts';
import { halfMax, halfNormalMin, toHalf } from './half-bits.ts';
import { bounding, halfRefusal } from './half-operators.ts';
import type { ValueRange } from './parameters.ts';
import { nameNodes } from './prepare.ts';
import type { LeftInFloat } from './report.ts';
import { refusalOf, refuse, refuseOldOpset, type Refusal, type Rewritten } from './rewrite-nodes.ts';

export interface HalfOptions {
  /** Sizes of free dimensions of the inputs: with them more reductions are known to be safe. */
  readonly dimensions?: Readonly<Record<string, number>>;
  /** Measured ranges of values: what makes or takes one that float16 cannot hold stays float. */
  readonly ranges?: ReadonlyMap<string, ValueRange>;
  /** Names of nodes that stay float. */
  readonly exclude?: ReadonlySet<string>;
}

/** Room for inputs that calibration did not see. */
const headroom = 2;

/**
 * Weights and what is computed between in float16; inputs and outputs stay as they are. Half the size, and faster on
 * graphics processors; a CPU without such kernels casts at every node. Takes a prepared model.
 */
export function toHalfPrecision(model: Model, options: HalfOptions = {}): Rewritten {
  refuseOldOpset(model);
  const graph = nameNodes(model.graph);
  const named = { ...model, graph };
  const { exclude = new Set(), dimensions = {} } = options;
  // Element types alone are asked for here; any size that kernels fit into will do.
  const { types } = inferModel(named, { tolerant: true, dimensions, otherwise: 64 });
  const sizes = inferModel(named, { tolerant: true, dimensions });
  const values = createValues(named, (name) => types.get(name)?.type === 'float32');
  const report = { quantised: [] as string[], absorbed: [] as string[], left: [] as LeftInFloat[], warnings: values.warnings };
  for (const node of graph.nodes) {
    const refusal = refusalOf(node, exclude) ?? typeRefusal(node, types) ?? rangeRefusal(node, options.ranges) ?? halfOf(node, named, sizes);
    if (refusal === undefined) report.quantised.push(node.name);
    else report.left.push({ node: node.name, operator: node.operator, ...refusal });
    values.append(node, refusal === undefined);
  }
  return { model: removeDeadCode({ ...named, graph: nameNodes(values.finish()) }), report };
}

function halfOf(node: Node, { graph }: Model, sizes: InferredModel): Refusal | undefined {
  // A Cast is changed with what it casts to, below.
  if (node.operator === 'Cast') {
    return numberAttribute(node, 'to', 0) === elementTypeCodes.float32 ? undefined : refuse('type', 'it leaves the floats');
  }
  const refusal = halfRefusal(node, sizes);
  if (refusal !== undefined) return refusal;
  for (const name of node.inputs) {
    const tensor = graph.initialisers.get(name);
    if (tensor?.type !== 'float32') continue;
    const largest = (tensor as Tensor<'float32'>).data.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
    if (largest > halfMax && !bounding.has(node.operator)) return refuse('ranges', `its constant ${name} holds ${largest}, beyond float16`);
    const only = elementCount(tensor.dims) === 1 ? Math.abs(Number(tensor.data[0])) : 0;
    if (only > 0 && only < halfNormalMin) return refuse('ranges', `its constant ${name} is ${only}, which float16 may take for zero`);
  }
  return undefined;
}

/** Inner graphs and values of unknown type are handed on as they are. */
function typeRefusal(node: Node, types: InferredModel['types']): Refusal | undefined {
  if (innerGraphs(node).length > 0) return refuse('operator', 'its inner graphs stay as they are');
  const unknown = [...node.inputs, ...node.outputs].find((name) => name !== '' && !types.has(name));
  if (unknown !== undefined) return refuse('shape', `the type of ${unknown} is known only at run time`);
  const touches = [...node.inputs, ...node.outputs].some((name) => types.get(name)?.type === 'float32');
  return touches ? undefined : refuse('type', 'it does not compute with floats');
}

function rangeRefusal(node: Node, ranges: HalfOptions['ranges']): Refusal | undefined {
  for (const name of [...node.inputs, ...node.outputs]) {
    const range = ranges?.get(name);
    if (range === undefined) continue;
    const largest = Math.max(-range.min, range.max);
    if (!(largest * headroom <= halfMax)) return refuse('ranges', `${name} reaches ${largest}, too near to what float16 holds`);
  }
  return undefined;
}

/** Values in the form they were made in, and in the other one once somebody asks for it. */
function createValues({ graph }: Model, isFloat: (name: string) => boolean) {
  const fresh = createNames(graph);
  const nodes: Node[] = [];
  const initialisers = new Map(graph.initialisers);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  /** Names of the values in 16 bits, and of those that exist in 32. */
  const halves = new Map<string, string>();
  const floats = new Set([...graph.inputs.map(({ name }) => name), ...graph.initialisers.keys()]);
  const warnings: string[] = [];
  const cast = (from: string, to: string, type: 'float16' | 'float32'): void => {
    nodes.push({ operator: 'Cast', domain: '', name: '', inputs: [from], outputs: [to], attributes: { to: int(elementTypeCodes[type]) } });
  };

  const asHalf = (name: string): string => {
    const present = halves.get(name);
    if (present !== undefined) return present;
    const half = fresh(`${name}.half`);
    halves.set(name, half);
    const tensor = graph.initialisers.get(name);
    if (tensor === undefined) cast(name, half, 'float16');
    else initialisers.set(half, halfTensor(tensor as Tensor<'float32'>, name, warnings));
    return half;
  };
  const asFloat = (name: string): void => {
    const half = halves.get(name);
    if (half === undefined || floats.has(name)) return;
    floats.add(name);
    cast(half, name, 'float32');
  };

  return {
    warnings,
    append(node: Node, inHalf: boolean): void {
      if (!inHalf) {
        for (const name of valuesRead(node)) asFloat(name);
        for (const name of node.outputs) floats.add(name);
        nodes.push(node);
        return;
      }
      const reads = new Map(node.inputs.filter(isFloat).map((name) => [name, asHalf(name)]));
      const made = node.outputs.map((name) => {
        if (!isFloat(name)) return name;
        const half = fresh(`${name}.half`);
        halves.set(name, half);
        return half;
      });
      const attributes = node.operator === 'Cast' ? { ...node.attributes, to: int(elementTypeCodes.float16) } : node.attributes;
      nodes.push({ ...renameReads(node, reads), outputs: made, attributes });
      for (const name of node.outputs) if (outputs.has(name)) asFloat(name);
    },
    finish: () => ({ ...graph, nodes, initialisers }),
  };
}

function halfTensor({ data, dims }: Tensor<'float32'>, name: string, warnings: string[]): Tensor<'float16'> {
  let clamped = 0;
  const bits = Uint16Array.from(data, (value) => {
    if (!Number.isFinite(value) || Math.abs(value) <= halfMax) return toHalf(value);
    clamped += 1;
    return toHalf(Math.sign(value) * halfMax);
  });
  if (clamped > 0) warnings.push(`${clamped} of ${data.length} values of ${name} lie beyond float16 and became its largest`);
  return { type: 'float16', dims, data: bits };
}
