import { SerinError } from '@serin/protocol/errors';

import { createGraphBuilder } from '../onnx/builder.ts';
import { currentOpset, floats, int, ints, longs, type Attribute, type ElementType, type Graph, type Node, type Tensor } from '../onnx/graph.ts';
import { elementTypeCodes } from '../onnx/model-file.ts';
import type { ValueType } from '../onnx/shape-rules/rule.ts';
import { evaluateNode } from '../onnx/shape-values.ts';
import { inferNode } from '../onnx/shapes.ts';

/** A graph being written whose every value has a known type and shape: what gradients are made on. */
export interface Tape {
  /** Version of the standard operator set the nodes are written in. */
  readonly opset: number;
  readonly nodes: readonly Node[];
  input(name: string, type: ElementType, dims: readonly number[]): string;
  output(name: string): void;
  constant(tensor: Tensor, name?: string): string;
  /** A constant of the same element type as the value `like`. */
  number(value: number, like: string): string;
  longs(values: readonly number[]): string;
  /** Adds a node with one output and returns its name. */
  add(operator: string, inputs: readonly string[], attributes?: Record<string, Attribute>, name?: string): string;
  /** Adds a node with several outputs and returns all their names. */
  addMany(operator: string, inputs: readonly string[], attributes: Record<string, Attribute>, outputs: number): string[];
  append(node: Node): void;
  type(name: string): ValueType;
  constantValue(name: string): Tensor | undefined;
  finish(): Graph;
}

/** Names the tape makes up are none of `reserved`. */
export function createTape(name: string, opset: number = currentOpset, reserved: Iterable<string> = []): Tape {
  const builder = createGraphBuilder(name, reserved);
  const types = new Map<string, ValueType>();
  const constants = new Map<string, Tensor>();
  const shared = new Map<string, string>();
  const nodes: Node[] = [];

  const type = (value: string): ValueType => {
    const found = types.get(value);
    if (found === undefined) throw new SerinError('MODEL_INVALID', { detail: `${value} is not defined` });
    return found;
  };

  const constant = (tensor: Tensor, constantName?: string): string => {
    const stored = builder.constant(tensor, constantName);
    types.set(stored, tensor);
    constants.set(stored, tensor);
    return stored;
  };

  const once = (key: string, make: () => Tensor): string => {
    const known = shared.get(key) ?? constant(make());
    shared.set(key, known);
    return known;
  };

  const append = (node: Node): void => {
    const inferred = inferNode(node, types, constants).slice(0, node.outputs.length);
    // Shapes computed in the graph are known here, where every size is.
    const values = evaluateNode(node, inferred, types, constants);
    node.outputs.forEach((output, index) => {
      const [found, value] = [inferred[index], values?.[index]];
      if (output === '' || found === undefined) return;
      types.set(output, found);
      if (value !== undefined) constants.set(output, value);
    });
    builder.append(node);
    nodes.push(node);
  };

  return {
    opset,
    nodes,
    constant,
    append,
    type,
    input: (inputName, elementType, dims) => {
      types.set(inputName, { type: elementType, dims });
      return builder.input(inputName, elementType, dims);
    },
    output: (outputName) => builder.output(outputName, type(outputName).type, type(outputName).dims),
    number: (value, like) => {
      const wanted = type(like).type;
      return once(`${wanted} ${value}`, () => numberOf(wanted, value));
    },
    longs: (values) => once(`longs ${values.join()}`, () => longs(values)),
    add: (operator, inputs, attributes = {}, outputName) => {
      const output = outputName ?? builder.fresh(operator.toLowerCase());
      append({ operator, domain: '', name: output, inputs, outputs: [output], attributes });
      return output;
    },
    addMany: (operator, inputs, attributes, count) => {
      const outputs = Array.from({ length: count }, () => builder.fresh(operator.toLowerCase()));
      append({ operator, domain: '', name: outputs[0] ?? '', inputs, outputs, attributes });
      return outputs;
    },
    constantValue: (constantName) => constants.get(constantName),
    finish: builder.finish,
  };
}

function numberOf(type: ElementType, value: number): Tensor {
  if (type === 'float32') return floats([], [value]);
  if (type === 'float64') return { type, dims: [], data: Float64Array.of(value) };
  if (type === 'int64') return { type, dims: [], data: BigInt64Array.of(BigInt(value)) };
  if (type === 'int32') return { type, dims: [], data: Int32Array.of(value) };
  throw new SerinError('MODEL_UNSUPPORTED', { detail: `a number of type ${type} in a training graph`, hint: 'Convert the model to float32' });
}

/**
 * A reduction over some axes as the tape's opset writes it: the axes came to be an input with opset 18, for ReduceSum with 13.
 */
export function reduceOver(tape: Tape, operator: string, value: string, axes: readonly number[], keep: boolean): string {
  const keepdims = int(keep ? 1 : 0);
  if (operator === 'ReduceSum' || tape.opset >= 18) return tape.add(operator, [value, tape.longs(axes)], { keepdims });
  return tape.add(operator, [value], { keepdims, axes: ints(axes) });
}

export const castTo = (type: ElementType): Record<string, Attribute> => ({
  to: int(elementTypeCodes[type]),
});
