import { numberAttribute, type Attribute, type Node } from '../../onnx/graph.ts';
import type { BlockedWriter } from './writer.ts';

const kept = ['kernel_shape', 'strides', 'pads', 'dilations', 'auto_pad', 'count_include_pad', 'ceil_mode'];

/** Pools of pictures that are in blocks. */
export function blockedPool(writer: BlockedWriter, node: Node): boolean {
  const [x = ''] = node.inputs;
  const [y = '', places = ''] = node.outputs;
  if (places !== '' || !writer.isBlocked(x) || writer.type(x).type !== 'float32' || numberAttribute(node, 'ceil_mode', 0) !== 0) return false;
  const attributes = kept.flatMap((name): [string, Attribute][] => (node.attributes[name] === undefined ? [] : [[name, node.attributes[name]]]));
  writer.keep(y, writer.addBlocked(node.operator, [writer.blocked(x)], Object.fromEntries(attributes)));
  return true;
}
