import type { Graph, Model, Node } from '../../onnx/graph.ts';
import { inferModel } from '../../onnx/infer-model.ts';
import { blockedConv, blockedConvTranspose } from './conv.ts';
import { blockedElementwise, blockedReduceSum, isElementwise } from './elementwise.ts';
import { blockedConcat, blockedDepthToSpace, blockedReshape, blockedSlice, blockedTranspose } from './movement.ts';
import { blockedPool } from './pool.ts';
import { blockedDomain, createWriter, type BlockedWriter } from './writer.ts';

/** Writes a node for pictures in blocks; false where it cannot. */
type BlockedRule = (writer: BlockedWriter, node: Node) => boolean;

const rules: Readonly<Record<string, BlockedRule>> = {
  Conv: blockedConv,
  ConvTranspose: blockedConvTranspose,
  MaxPool: blockedPool,
  AveragePool: blockedPool,
  GlobalAveragePool: blockedPool,
  GlobalMaxPool: blockedPool,
  Concat: blockedConcat,
  DepthToSpace: blockedDepthToSpace,
  Reshape: blockedReshape,
  Slice: blockedSlice,
  Transpose: blockedTranspose,
  ReduceSum: blockedReduceSum,
};

/**
 * The same graph on pictures whose channels lie in blocks, as the runtime's fastest kernels want them. The runtime does
 * this by itself where filters are constants; in training they change at every step.
 */
export function inBlocks(model: Model, block: number): Model {
  if (block < 2 || !model.graph.nodes.some(({ operator }) => operator === 'Conv')) return model;
  const { types, constants } = inferModel(model, { tolerant: true, elementsMax: Number.MAX_SAFE_INTEGER });
  const writer = createWriter(model.graph, { types, constants }, block);
  for (const node of model.graph.nodes) {
    if (node.outputs.every((name) => name === '' || writer.isDone(name))) continue;
    const rule = isElementwise(node.operator) ? blockedElementwise : rules[node.operator];
    const isKnown = node.domain === '' && [...node.inputs, ...node.outputs].every((name) => name === '' || types.has(name));
    if (!isKnown || rule?.(writer, node) !== true) writer.copy(node);
  }
  for (const { name, type, dims } of model.graph.outputs) writer.builder.output(writer.plain(name), type, dims);
  const graph: Graph = writer.builder.finish();
  return { ...model, graph, opsets: { ...model.opsets, [blockedDomain]: 1 } };
}
