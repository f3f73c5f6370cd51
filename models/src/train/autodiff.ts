import { SerinError } from '@serin/protocol/errors';

import { elementCount, type Node } from '../onnx/graph.ts';
import { nodeTitle } from '../onnx/shape-rules/rule.ts';
import { gradientRules } from './gradient-rules.ts';
import { filledLike, type GradientRule } from './gradients/rule.ts';
import type { Tape } from './tape.ts';

/**
 * Reverse-mode differentiation: appends to the tape the nodes that compute the gradient of the scalar `loss`
 * with respect to each of `sources`, and returns their names.
 */
export function differentiate(tape: Tape, loss: string, sources: readonly string[]): Map<string, string> {
  if (elementCount(tape.type(loss).dims) !== 1) {
    throw new SerinError('MODEL_INVALID', { detail: `the loss ${loss} has the shape [${tape.type(loss).dims.join(', ')}], expected one number` });
  }
  const between = nodesBetween(tape, loss, sources);
  const partials = new Map<string, string[]>([[loss, [filledLike(tape, 1, loss)]]]);
  /** The sum of what all users of a value contributed; final once every one of them was visited. */
  const gradientOf = (value: string): string | undefined => {
    const parts = partials.get(value);
    if (parts === undefined || parts.length < 2) return parts?.[0];
    const sum = tape.add(parts.length === 2 ? 'Add' : 'Sum', parts);
    partials.set(value, [sum]);
    return sum;
  };

  for (const node of between.nodes.toReversed()) {
    const gradients = node.outputs.map((output) => (output === '' ? undefined : gradientOf(output)));
    if (gradients.every((gradient) => gradient === undefined)) continue;
    const results = ruleOf(
      node,
      between,
    )({
      tape,
      node,
      gradients,
      get gradient() {
        return gradients[0] ?? filledLike(tape, 0, node.outputs[0] ?? '');
      },
      output: node.outputs[0] ?? '',
      outputs: node.outputs,
      input: (index) => node.inputs[index] ?? '',
      needs: (index) => between.values.has(node.inputs[index] ?? ''),
    });
    results.forEach((result, index) => {
      const input = node.inputs[index];
      if (result === undefined || input === undefined || !between.values.has(input)) return;
      partials.set(input, [...(partials.get(input) ?? []), result]);
    });
  }

  return new Map(
    sources.map((source) => {
      const gradient = gradientOf(source);
      if (gradient === undefined) {
        throw new SerinError('MODEL_INVALID', {
          detail: `the loss does not depend on ${source}, or only through steps without a slope`,
          hint: 'Take it out of the trainable weights, or connect it to the output the loss looks at',
        });
      }
      return [source, gradient];
    }),
  );
}

/** What lies on a path from a source to the loss: everything a gradient has to pass. */
interface Between {
  readonly sources: ReadonlySet<string>;
  readonly loss: string;
  readonly nodes: readonly Node[];
  readonly values: ReadonlySet<string>;
}

function nodesBetween(tape: Tape, loss: string, sources: readonly string[]): Between {
  const used = new Set([loss]);
  for (const node of tape.nodes.toReversed()) {
    if (node.outputs.some((output) => used.has(output))) for (const input of node.inputs) used.add(input);
  }
  // Whole numbers and truth values have no gradient: what a weight changes through them alone is a constant.
  const stored = storedNumbers(tape);
  const continuous = (value: string): boolean => value !== '' && (tape.type(value).type.startsWith('float') || stored.has(value));
  const values = new Set(sources.filter(continuous));
  const nodes: Node[] = [];
  for (const node of tape.nodes) {
    const outputs = node.outputs.filter((output) => used.has(output) && continuous(output));
    if (outputs.length === 0 || !node.inputs.some((input) => values.has(input))) continue;
    for (const output of outputs) values.add(output);
    nodes.push(node);
  }
  return { sources: new Set(sources), loss, nodes, values };
}

/** Real numbers stored in few bits stay what they are: their rounding is passed straight through. */
function storedNumbers(tape: Tape): ReadonlySet<string> {
  const stored = new Set<string>();
  for (const { operator, domain, inputs, outputs } of tape.nodes) {
    const [input = '', output = ''] = [inputs[0], outputs[0]];
    const isMoved = stored.has(input) && tape.type(input).type === tape.type(output).type;
    if ((operator === 'QuantizeLinear' && domain === '') || isMoved) stored.add(output);
  }
  return stored;
}

function ruleOf(node: Node, between: Between): GradientRule {
  const standard = node.domain === '' || node.domain === 'ai.onnx';
  const rule = standard ? gradientRules[node.operator] : undefined;
  if (rule === undefined) {
    const operator = standard ? node.operator : `${node.domain}:${node.operator}`;
    const { source, path } = pathThrough(node, between);
    throw new SerinError('MODEL_UNSUPPORTED', {
      detail: `operator ${operator} (node "${node.name || (node.outputs[0] ?? '')}") has no gradient rule; it lies between the weight ${source} and the loss: ${path}`,
      hint: 'Train only weights behind it, or export the model without it',
    });
  }
  return rule;
}

const pathNodesMax = 12;

/** One path a gradient would take: from a source through the node to the loss. */
function pathThrough(node: Node, { sources, loss, nodes, values }: Between): { source: string; path: string } {
  const path = [node];
  let source = '';
  for (let first = node; source === '';) {
    const needed = first.inputs.filter((input) => values.has(input));
    source = needed.find((input) => sources.has(input)) ?? '';
    const previous = nodes.find((candidate) => candidate.outputs.some((output) => needed.includes(output)));
    if (source !== '' || previous === undefined) break;
    path.unshift(previous);
    first = previous;
  }
  for (let last = node; !last.outputs.includes(loss);) {
    const outputs = last.outputs.filter((output) => values.has(output));
    const next = nodes.find((candidate) => candidate.inputs.some((input) => outputs.includes(input)));
    if (next === undefined) break;
    path.push(next);
    last = next;
  }
  const titles = path.map(nodeTitle);
  const at = path.indexOf(node);
  const [from, to] = [Math.max(0, at - pathNodesMax / 2), Math.min(titles.length, at + pathNodesMax / 2)];
  const shown = [...(from > 0 ? ['...'] : []), ...titles.slice(from, to), ...(to < titles.length ? ['...'] : [])];
  return { source, path: [source, ...shown, 'loss'].join(' -> ') };
}
