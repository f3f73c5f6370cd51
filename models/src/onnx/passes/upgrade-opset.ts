import { SerinError } from '@serin/protocol/errors';

import {
  currentIrVersion,
  currentOpset,
  int,
  longs,
  numberAttribute,
  numbersAttribute,
  scalar,
  text,
  type Attribute,
  type ElementType,
  type Graph,
  type Model,
  type Node,
  type Tensor,
} from '../graph.ts';
import { inferModel } from '../infer-model.ts';
import { elementTypeCodes } from '../model-file.ts';
import { createNames, mapInnerGraphs } from '../scope.ts';
import { unsupported, type ValueType } from '../shape-rules/rule.ts';

interface Upgrade {
  /** Opset version of the model. */
  readonly from: number;
  constant(tensor: Tensor): string;
  fresh(hint: string): string;
  tensor(name: string): Tensor | undefined;
  type(name: string): ValueType | undefined;
}
/** The nodes that do in the current opset what this one did. */
type Rewrite = (node: Node, upgrade: Upgrade) => Node[];

/** The model in terms of the current opset, whose forms the other passes, training and quantising know. */
export function upgradeOpset(model: Model): Model {
  const from = model.opsets[''] ?? currentOpset;
  if (from >= currentOpset) return model;
  // The second round knows more shapes than the first, which old forms hide.
  const rounds = [(operator: string) => !formerlyFlat.has(operator), (operator: string) => formerlyFlat.has(operator)];
  const graph = rounds.reduce((current, concerns) => rewriteNodes({ ...model, graph: current }, from, concerns), model.graph);
  return { ...model, irVersion: Math.max(model.irVersion, currentIrVersion), opsets: { ...model.opsets, '': currentOpset }, graph };
}

function rewriteNodes(model: Model, from: number, concerns: (operator: string) => boolean): Graph {
  const initialisers = new Map(model.graph.initialisers);
  const fresh = createNames(model.graph);
  // Only ranks and element types matter; any size that kernels fit into will do.
  const { types, constants } = inferModel(model, { tolerant: true, otherwise: 64 });
  const upgrade: Upgrade = {
    from,
    fresh,
    tensor: (name) => constants.get(name),
    type: (name) => types.get(name),
    constant: (tensor) => {
      const name = fresh('constant');
      initialisers.set(name, tensor);
      return name;
    },
  };
  const rewritten = (node: Node): Node[] => (concerns(node.operator) ? upgradeNode(node, upgrade) : [node]);
  const change = (graph: Graph): Graph => ({ ...graph, nodes: graph.nodes.flatMap((node) => rewritten(mapInnerGraphs(node, change))) });
  return { ...change(model.graph), initialisers };
}

function upgradeNode(node: Node, upgrade: Upgrade): Node[] {
  if (node.domain !== '' || !Object.hasOwn(rewrites, node.operator)) return [node];
  const [before, rewrite] = rewrites[node.operator] ?? [0, keep];
  return upgrade.from < before ? rewrite(node, upgrade) : [node];
}

const keep: Rewrite = (node) => [node];

const without = (attributes: Node['attributes'], ...names: string[]): Record<string, Attribute> =>
  Object.fromEntries(Object.entries(attributes).filter(([name]) => !names.includes(name)));

/** Lists of whole numbers that were attributes and became inputs, in this order. */
const listsToInputs =
  (...names: string[]): Rewrite =>
  (node, { constant }) => {
    const lists = names.map((name) => (node.attributes[name] === undefined ? '' : constant(longs(numbersAttribute(node, name, [])))));
    const inputs = [...node.inputs.slice(0, 1), ...lists];
    return [{ ...node, inputs: inputs.slice(0, inputs.findLastIndex((name) => name !== '') + 1), attributes: without(node.attributes, ...names) }];
  };

/** A number that was an attribute, as a constant of the element type of the value it goes with. */
function numberLike(node: Node, name: string, { constant, fresh, type }: Upgrade): { value: string; made: Node[] } {
  if (node.attributes[name] === undefined) return { value: '', made: [] };
  const number = constant(scalar(numberAttribute(node, name, 0)));
  const wanted: ElementType = type(node.inputs[0] ?? '')?.type ?? 'float32';
  if (wanted === 'float32') return { value: number, made: [] };
  const value = fresh('cast');
  return {
    value,
    made: [{ operator: 'Cast', domain: '', name: '', inputs: [number], outputs: [value], attributes: { to: int(elementTypeCodes[wanted]) } }],
  };
}

const clip: Rewrite = (node, upgrade) => {
  const [low, high] = [numberLike(node, 'min', upgrade), numberLike(node, 'max', upgrade)];
  const inputs = [node.inputs[0] ?? '', low.value, high.value];
  return [...low.made, ...high.made, { ...node, inputs, attributes: without(node.attributes, 'min', 'max') }];
};

const pad: Rewrite = (node, upgrade) => {
  const filler = numberLike(node, 'value', upgrade);
  const pads = upgrade.constant(longs(numbersAttribute(node, 'pads', [])));
  return [...filler.made, { ...node, inputs: [node.inputs[0] ?? '', pads, filler.value], attributes: without(node.attributes, 'pads', 'value') }];
};

const topK: Rewrite = (node, { constant }) => {
  const count = constant(longs([numberAttribute(node, 'k', 1)]));
  return [{ ...node, inputs: [node.inputs[0] ?? '', count], attributes: without(node.attributes, 'k') }];
};

const dropout: Rewrite = (node, { from }) => {
  if (from < 10 && (node.outputs[1] ?? '') !== '') throw unsupported(node, 'its mask was not yet true or false');
  return [{ ...node, attributes: without(node.attributes, 'ratio') }];
};

const batchNormalization: Rewrite = (node) => {
  if (node.outputs.slice(1).some((name) => name !== '')) throw unsupported(node, 'it is exported for training', 'Export the model in evaluation mode');
  if (numberAttribute(node, 'spatial', 1) !== 1) throw unsupported(node, 'it normalises every element by itself');
  return [{ ...node, outputs: node.outputs.slice(0, 1), attributes: without(node.attributes, 'spatial') }];
};

/** Before opset 13 it ran over all axes from `axis` on, not along `axis`. */
const softmax: Rewrite = (node, { fresh, type }) => {
  const axis = numberAttribute(node, 'axis', 1);
  const [input = ''] = node.inputs;
  const rank = type(input)?.dims.length;
  if (axis === -1 || axis + 1 === rank) return [{ ...node, attributes: { axis: int(-1) } }];
  const [shape, flat, result] = [fresh('shape'), fresh('flatten'), fresh('softmax')];
  const part = (operator: string, inputs: string[], output: string, attributes: Record<string, Attribute>): Node => ({
    operator,
    domain: '',
    name: '',
    inputs,
    outputs: [output],
    attributes,
  });
  return [
    part('Shape', [input], shape, {}),
    part('Flatten', [input], flat, { axis: int(axis) }),
    { ...node, inputs: [flat], outputs: [result], attributes: { axis: int(-1) } },
    part('Reshape', [result, shape], node.outputs[0] ?? '', { allowzero: int(1) }),
  ];
};

/** Enlarging was by repetition from the first element on; shrinking took the next element instead of the one before. */
const upsample: Rewrite = (node, upgrade) => {
  const listed = node.attributes['scales'];
  const scales =
    listed === undefined
      ? (node.inputs[1] ?? '')
      : upgrade.constant({
          type: 'float32',
          dims: [numbersAttribute(node, 'scales', []).length],
          data: Float32Array.from(numbersAttribute(node, 'scales', [])),
        });
  const mode = node.attributes['mode']?.value ?? 'nearest';
  const known = upgrade.tensor(scales)?.data ?? (listed === undefined ? undefined : numbersAttribute(node, 'scales', []));
  const factors = known === undefined ? undefined : Array.from(known as ArrayLike<number>, Number);
  const shrinks = factors?.some((factor) => factor < 1) ?? false;
  if (mode === 'nearest' && node.operator === 'Resize' && (factors === undefined || (shrinks && factors.some((factor) => factor > 1)))) {
    throw unsupported(node, 'whether it enlarges or shrinks is not known', 'Export the model with opset 11 or newer');
  }
  const attributes: Record<string, Attribute> = {
    mode: text(mode === 'nearest' ? 'nearest' : 'linear'),
    coordinate_transformation_mode: text('asymmetric'),
    ...(mode === 'nearest' ? { nearest_mode: text(shrinks ? 'ceil' : 'floor') } : {}),
  };
  return [{ ...node, operator: 'Resize', inputs: [node.inputs[0] ?? '', '', scales], attributes }];
};

const resize: Rewrite = (node, upgrade) => {
  if (upgrade.from < 11) return upsample(node, upgrade);
  if (node.attributes['coordinate_transformation_mode']?.value === 'tf_half_pixel_for_nn') {
    throw unsupported(node, 'its coordinate_transformation_mode is no longer part of the standard', 'Export the model with opset 13 or newer');
  }
  // Sizes came beside an empty list of scales; now one of the two is left out.
  return [(node.inputs[3] ?? '') === '' ? node : { ...node, inputs: node.inputs.with(2, '') }];
};

const roiAlign: Rewrite = (node) => [{ ...node, attributes: { ...node.attributes, coordinate_transformation_mode: text('output_half_pixel') } }];

const scan: Rewrite = (node) => {
  throw new SerinError('MODEL_UNSUPPORTED', { detail: `Scan ${node.name} of an opset before 9`, hint: 'Export the model with opset 17' });
};

const formerlyFlat: ReadonlySet<string> = new Set(['Softmax', 'LogSoftmax', 'Hardmax']);

/** Operators whose form changed, and the opset that changed it last. */
const rewrites: Readonly<Record<string, readonly [before: number, rewrite: Rewrite]>> = {
  Clip: [11, clip],
  Pad: [11, pad],
  Slice: [10, listsToInputs('starts', 'ends', 'axes')],
  TopK: [10, topK],
  Dropout: [12, dropout],
  BatchNormalization: [14, batchNormalization],
  Squeeze: [13, listsToInputs('axes')],
  Unsqueeze: [13, listsToInputs('axes')],
  ReduceSum: [13, listsToInputs('axes')],
  Split: [13, listsToInputs('split')],
  Softmax: [13, softmax],
  LogSoftmax: [13, softmax],
  Hardmax: [13, softmax],
  Upsample: [10, upsample],
  Resize: [13, resize],
  Scatter: [11, (node) => [{ ...node, operator: 'ScatterElements' }]],
  RoiAlign: [16, roiAlign],
  Scan: [9, scan],
};
