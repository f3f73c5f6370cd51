import { SerinError } from '@serin/protocol/errors';

import type { Model, Node } from '../onnx/graph.ts';
import { namesDefined, valuesRead } from '../onnx/scope.ts';
import type { Tape } from './tape.ts';

export interface LayoutOptions {
  /** Sizes of the free dimensions, the batch among them. */
  readonly dimensions: Readonly<Record<string, number>>;
  /** Values that are on the tape already, such as the weights that learn. */
  readonly present: ReadonlySet<string>;
  /** Writes a node in another form; false leaves it to be copied as it is. */
  readonly rewrite?: (node: Node) => boolean;
}

/**
 * Copies a model's graph onto the tape as far as it is asked for: the function returned lays out what a value needs and no
 * more. What serves the deployed model alone, such as picking peaks, costs a training step nothing then.
 */
export function createLayout(tape: Tape, model: Model, { dimensions, present, rewrite = () => false }: LayoutOptions): (value: string) => string {
  const { graph } = model;
  const makers = new Map(graph.nodes.flatMap((node, index) => node.outputs.filter((name) => name !== '').map((name) => [name, index] as const)));
  const inputs = new Map(graph.inputs.map((input) => [input.name, input]));
  const done = new Set(present);

  const declare = (name: string): void => {
    const initialiser = graph.initialisers.get(name);
    const input = inputs.get(name);
    if (initialiser !== undefined) tape.constant(initialiser, name);
    else if (input !== undefined) tape.input(name, input.type, boundDims(name, input.dims, dimensions));
    else throw unknownValue(model, name);
  };

  return (value) => {
    const nodes = new Set<number>();
    const open = [value];
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      if (done.has(name)) continue;
      done.add(name);
      const maker = makers.get(name);
      if (maker === undefined) declare(name);
      else if (!nodes.has(maker)) {
        nodes.add(maker);
        const node = graph.nodes[maker] as Node;
        for (const output of node.outputs) done.add(output);
        open.push(...valuesRead(node));
      }
    }
    for (const index of [...nodes].toSorted((a, b) => a - b)) {
      const node = graph.nodes[index] as Node;
      if (!rewrite(node)) tape.append(node);
    }
    return value;
  };
}

function boundDims(name: string, dims: readonly (number | string)[], dimensions: Readonly<Record<string, number>>): number[] {
  return dims.map((dim, axis) => {
    const size = typeof dim === 'number' ? dim : dimensions[dim];
    if (size !== undefined) return size;
    throw new SerinError('MODEL_INVALID', {
      detail: `dimension ${axis} of the input ${name}, called "${dim}", has no size`,
      hint: `Give it one: dimensions: { ${JSON.stringify(dim)}: ... }`,
    });
  });
}

const namesShownMax = 8;

function unknownValue(model: Model, name: string): SerinError {
  const last = model.graph.nodes.at(-1)?.outputs ?? [];
  const near = namesDefined(model.graph).filter((known) => known.toLowerCase().includes(name.toLowerCase()) && known !== name);
  const shown = [...new Set([...model.graph.outputs.map((output) => output.name), ...near, ...last])].slice(0, namesShownMax);
  return new SerinError('MODEL_INVALID', { detail: `the model has no value ${name}; it has ${shown.join(', ')}`, hint: 'Check the names the loss asks for' });
}
