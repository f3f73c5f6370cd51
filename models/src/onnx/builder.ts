import type { Attribute, Dimension, ElementType, Graph, Node, Tensor, ValueInfo } from './graph.ts';

/** Collects nodes in the order they are added, which is a valid execution order. */
export interface GraphBuilder {
  input(name: string, type: ElementType, dims: readonly Dimension[]): string;
  output(name: string, type: ElementType, dims: readonly Dimension[]): void;
  /** Stores a constant; without a name it gets a fresh one. */
  constant(tensor: Tensor, name?: string): string;
  /** Adds a node and returns the name of its first output; `outputs` names them, otherwise one fresh name is made. */
  add(operator: string, inputs: readonly string[], attributes?: Record<string, Attribute>, outputs?: readonly string[], domain?: string): string;
  /** Adds an existing node as it is. */
  append(node: Node): void;
  fresh(hint: string): string;
  finish(): Graph;
}

/** Fresh names are none of `reserved`. */
export function createGraphBuilder(name: string, reserved: Iterable<string> = []): GraphBuilder {
  const inputs: ValueInfo[] = [];
  const outputs: ValueInfo[] = [];
  const nodes: Node[] = [];
  const initialisers = new Map<string, Tensor>();
  const taken = new Set<string>(reserved);
  /** Where to go on counting: a hint may be given a hundred thousand times. */
  const counted = new Map<string, number>();

  const fresh = (hint: string): string => {
    let candidate = hint;
    let index = counted.get(hint) ?? 1;
    for (; taken.has(candidate); index += 1) candidate = `${hint}_${index}`;
    counted.set(hint, index);
    taken.add(candidate);
    return candidate;
  };

  const append = (node: Node): void => {
    for (const output of node.outputs) taken.add(output);
    // Nodes that are added are called after their output, and no two may have the same name.
    taken.add(node.name);
    nodes.push(node);
  };

  return {
    fresh,
    append,
    input: (inputName, type, dims) => {
      taken.add(inputName);
      inputs.push({ name: inputName, type, dims });
      return inputName;
    },
    output: (outputName, type, dims) => {
      outputs.push({ name: outputName, type, dims });
    },
    constant: (tensor, constantName) => {
      const stored = constantName ?? fresh('constant');
      taken.add(stored);
      initialisers.set(stored, tensor);
      return stored;
    },
    add: (operator, nodeInputs, attributes = {}, nodeOutputs, domain = '') => {
      const named = nodeOutputs ?? [fresh(operator.toLowerCase())];
      append({
        operator,
        domain,
        name: named[0] ?? '',
        inputs: nodeInputs,
        outputs: named,
        attributes,
      });
      return named[0] ?? '';
    },
    finish: () => ({ name, inputs, outputs, nodes, initialisers }),
  };
}
