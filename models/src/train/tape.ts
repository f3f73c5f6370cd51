import { SerinError } from '@serin/protocol/errors';

import { createGraphBuilder } from '../onnx/builder.ts';
import { currentOpset, floats, int, longs, type Attribute, type ElementType, type Graph, type Model, type Node, type Tensor } from '../onnx/graph.ts';
import { elementTypeCodes } from '../onnx/model-file.ts';
import type { ValueType } from '../onnx/shape-rules/rule.ts';
import { foldNode } from '../onnx/shape-rules/known-values.ts';
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
    inferNode(node, types, constants).forEach((inferred, index) => {
      const output = node.outputs[index] ?? '';
      if (output !== '') types.set(output, inferred);
    });
    const known = foldNode(node, types, constants);
    if (known !== undefined) constants.set(node.outputs[0] ?? '', known);
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
      return once(`${wanted} ${value}`, () => (wanted === 'float64' ? { type: wanted, dims: [], data: Float64Array.of(value) } : floats([], [value])));
    },
    longs: (values) => once(`int64 ${values.join()}`, () => longs(values)),
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

/** Copies a model's graph onto the tape with every free dimension bound; `asInputs` become inputs instead of constants. */
export function layOut(tape: Tape, model: Model, dimensions: Record<string, number>, asInputs: ReadonlySet<string>): void {
  for (const { name, type, dims } of model.graph.inputs) {
    const bound = dims.map((dim) => (typeof dim === 'number' ? dim : dimensions[dim]));
    const unbound = bound.indexOf(undefined);
    if (unbound !== -1)
      throw new SerinError('MODEL_INVALID', {
        detail: `dimension ${dims[unbound] ?? ''} of ${name} has no size`,
      });
    tape.input(name, type, bound as number[]);
  }
  for (const [name, tensor] of model.graph.initialisers) {
    if (asInputs.has(name)) tape.input(name, tensor.type, tensor.dims);
    else tape.constant(tensor, name);
  }
  for (const node of model.graph.nodes) tape.append(node);
}

export const castTo = (type: ElementType): Record<string, Attribute> => ({
  to: int(elementTypeCodes[type]),
});
