import { SerinError } from '@serin/protocol/errors';

import { checkModel } from './check.ts';
import { createModel, scalar, type Attribute, type Graph, type Model, type Node, type ValueInfo } from './graph.ts';
import { removeDeadCode } from './passes/remove-dead-code.ts';
import { upgradeOpset } from './passes/upgrade-opset.ts';

/** What may be averaged: numbers that mean the same whichever model they come from. */
const averaged = ['probabilities', 'value'];
const membersMax = 64;

const refuse = (detail: string, hint: string): SerinError => new SerinError('MODEL_UNSUPPORTED', { detail, hint });

/**
 * Several models of the same inputs as one that answers with the mean of their `probabilities` or `value`, by weights, equal
 * ones unless given. Each model's values keep their names behind a prefix.
 */
export function combineModels(models: readonly Model[], weights: readonly number[] = models.map(() => 1)): Model {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (models.length === 0 || models.length > membersMax) throw refuse(`${models.length} models to combine`, `From 1 to ${membersMax} can be`);
  if (weights.length !== models.length || !weights.every((weight) => weight >= 0 && weight < Infinity) || total === 0) {
    throw refuse(`the weights ${weights.join(', ')} for ${models.length} models`, 'Give a weight from 0 for each, and not only zeros');
  }
  const members = models.map((model) => upgradeOpset(checkModel(model)));
  const [first] = members as [Model, ...Model[]];
  const { inputs } = first.graph;
  const output = outputOf(first);
  members.forEach((member, index) => checkFits(first, member, index));
  const kept = new Set(inputs.map(({ name }) => name));
  const parts = members.map((member, index) => prefixed(member.graph, `model${index}/`, kept));

  const nodes: Node[] = parts.flatMap((part) => part.nodes);
  const initialisers = new Map(parts.flatMap((part) => [...part.initialisers]));
  const weighted = members.map((member, index) => {
    const [weight, product] = [`weight${index}`, `weighted${index}`];
    initialisers.set(weight, scalar((weights[index] as number) / total));
    nodes.push(nodeOf('Mul', [`model${index}/${outputOf(member).name}`, weight], product));
    return product;
  });
  nodes.push(nodeOf('Sum', weighted, output.name));
  const model = createModel({ name: 'combined', inputs, outputs: [output], nodes, initialisers });
  const opsets = Object.assign({}, ...members.map((member) => member.opsets)) as Record<string, number>;
  return removeDeadCode(checkModel({ ...model, irVersion: Math.max(...members.map(({ irVersion }) => irVersion)), opsets }));
}

const nodeOf = (operator: string, inputs: string[], output: string): Node => ({
  operator,
  domain: '',
  name: output,
  inputs,
  outputs: [output],
  attributes: {},
});

function outputOf({ graph }: Model): ValueInfo {
  const output = graph.outputs.find(({ name, type }) => averaged.includes(name) && type === 'float32');
  if (output === undefined)
    throw refuse(`outputs ${graph.outputs.map(({ name }) => name).join(', ')}`, `Only float32 outputs called ${averaged.join(' or ')} can be averaged`);
  return output;
}

function checkFits(first: Model, member: Model, index: number): void {
  const inputText = ({ graph }: Model): string =>
    graph.inputs.map(({ name, type, dims }) => `${name} ${type} [${dims.map((dim) => (typeof dim === 'number' ? dim : '?')).join(', ')}]`).join('; ');
  const hint = 'Models are combined that take the same features and answer the same question';
  if (inputText(member) !== inputText(first)) throw refuse(`model ${index} takes ${inputText(member)}, the first one ${inputText(first)}`, hint);
  const [mine, others] = [outputOf(member), outputOf(first)];
  const isSame =
    mine.name === others.name &&
    mine.dims.length === others.dims.length &&
    mine.dims.every((dim, at) => typeof dim !== 'number' || typeof others.dims[at] !== 'number' || dim === others.dims[at]);
  if (!isSame) throw refuse(`model ${index} answers ${mine.name} [${mine.dims.join(', ')}], the first one ${others.name} [${others.dims.join(', ')}]`, hint);
  for (const [domain, version] of Object.entries(member.opsets)) {
    const wanted = first.opsets[domain];
    if (wanted !== undefined && wanted !== version) {
      throw refuse(
        `model ${index} is written in version ${version} of ${domain === '' ? 'ai.onnx' : domain}, the first one in ${wanted}`,
        'Export both with the same operator set',
      );
    }
  }
}

/** The graph with another name for everything but what is kept; inner graphs read values from around them. */
function prefixed(graph: Graph, prefix: string, kept: ReadonlySet<string>): Graph {
  const rename = (name: string): string => (name === '' || kept.has(name) ? name : prefix + name);
  const renameInfo = (info: ValueInfo): ValueInfo => ({ ...info, name: rename(info.name) });
  return {
    name: graph.name,
    inputs: graph.inputs.map(renameInfo),
    outputs: graph.outputs.map(renameInfo),
    nodes: graph.nodes.map((node) => ({
      ...node,
      name: rename(node.name),
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
      attributes: Object.fromEntries(
        Object.entries(node.attributes).map(([name, attribute]): [string, Attribute] => [
          name,
          attribute.kind === 'graph' ? { kind: 'graph', value: prefixed(attribute.value as Graph, prefix, kept) } : attribute,
        ]),
      ),
    })),
    initialisers: new Map([...graph.initialisers].map(([name, tensor]) => [rename(name), tensor])),
  };
}
