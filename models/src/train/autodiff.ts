import { SerinError } from '@serin/protocol/errors';

import type { Node } from '../onnx/graph.ts';
import { gradientRules } from './gradient-rules.ts';
import type { Tape } from './tape.ts';

/**
 * Reverse-mode differentiation: appends to the tape the nodes that compute the gradient of the scalar `loss`
 * with respect to each of `sources`, and returns their names.
 */
export function differentiate(tape: Tape, loss: string, sources: readonly string[]): Map<string, string> {
  const forward = [...tape.nodes];
  const needed = new Set(sources);
  for (const node of forward) {
    if (node.inputs.some((input) => needed.has(input))) for (const output of node.outputs) needed.add(output);
  }

  const gradients = new Map<string, string>([[loss, tape.number(1, loss)]]);
  const accumulate = (value: string, gradient: string): void => {
    const known = gradients.get(value);
    gradients.set(value, known === undefined ? gradient : tape.add('Add', [known, gradient]));
  };

  for (const node of forward.toReversed()) {
    const gradient = gradients.get(node.outputs[0] ?? '');
    if (gradient === undefined || !node.inputs.some((input) => needed.has(input))) continue;
    const results = ruleOf(node)({
      tape,
      node,
      gradient,
      output: node.outputs[0] ?? '',
      input: (index) => node.inputs[index] ?? '',
      needs: (index) => needed.has(node.inputs[index] ?? ''),
    });
    results.forEach((result, index) => {
      const input = node.inputs[index];
      if (result !== undefined && input !== undefined && needed.has(input)) accumulate(input, result);
    });
  }

  return new Map(
    sources.map((source) => {
      const gradient = gradients.get(source);
      if (gradient === undefined) {
        throw new SerinError('MODEL_INVALID', { detail: `the loss does not depend on ${source}` });
      }
      return [source, gradient];
    }),
  );
}

function ruleOf(node: Node) {
  const rule = node.domain === '' ? gradientRules[node.operator] : undefined;
  if (rule === undefined) {
    throw new SerinError('MODEL_UNSUPPORTED', {
      detail: `operator ${node.operator} has no gradient rule`,
      hint: 'Train only weights behind it, or add a rule to models/src/train/gradient-rules.ts',
    });
  }
  return rule;
}
