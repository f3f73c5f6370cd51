import { int, ints, numberAttribute, numbersAttribute, type Node } from '../../onnx/graph.ts';
import { blockedDomain, inMemory, type BlockedWriter } from './writer.ts';

export interface Interleaving {
  /** The shape wanted; what is over at the far edges is cut off. */
  readonly dims: readonly number[];
  readonly stride: number;
  readonly rows: number;
  readonly columns: number;
}

/** Puts pictures that follow each other as channels, row by row of a tile, into the places of the tile. */
export function depthToSpace(writer: BlockedWriter, value: string, { dims, stride, rows, columns }: Interleaving): string {
  const { block } = writer;
  const [batch = 0, channels = 0, height = 0, width = 0] = dims;
  const blocks = channels / block;
  if (stride === 1) return value;
  const apart = writer.reshape(value, [batch, stride, stride, blocks, rows, columns, block]);
  const together = writer.add('Transpose', [apart], { perm: ints([0, 3, 4, 1, 5, 2, 6]) });
  if (rows * stride === height && columns * stride === width) return writer.reshape(together, dims);
  const whole = writer.reshape(together, [batch, blocks, rows * stride, columns * stride, block]);
  return writer.reshape(writer.add('Slice', [whole, writer.longs([0, 0]), writer.longs([height, width]), writer.longs([2, 3])]), dims);
}

export function blockedDepthToSpace(writer: BlockedWriter, node: Node): boolean {
  const [x = ''] = node.inputs;
  const [y = ''] = node.outputs;
  if (!writer.isBlocked(x) || !writer.fits(y) || (node.attributes['mode']?.value !== undefined && node.attributes['mode']?.value !== 'DCR')) return false;
  const [, , rows = 0, columns = 0] = writer.type(x).dims;
  writer.keep(y, depthToSpace(writer, writer.blocked(x), { dims: writer.type(y).dims, stride: numberAttribute(node, 'blocksize', 1), rows, columns }));
  return true;
}

export function blockedConcat(writer: BlockedWriter, node: Node): boolean {
  const axis = numberAttribute(node, 'axis', 0);
  if (axis !== 1 || !node.inputs.some(writer.isBlocked) || !node.inputs.every(writer.fits)) return false;
  writer.keep(node.outputs[0] ?? '', writer.add('Concat', node.inputs.map(writer.blocked), { axis: int(1) }));
  return true;
}

/** Cuts along height and width. */
export function blockedSlice(writer: BlockedWriter, node: Node): boolean {
  const [x = '', starts = '', ends = '', axes = '', steps = ''] = node.inputs;
  const [y = ''] = node.outputs;
  if (!writer.isBlocked(x) || axes === '') return false;
  const { dims } = writer.type(x);
  const cut = writer.type(y).dims;
  if (dims[0] !== cut[0] || dims[1] !== cut[1]) return false;
  const view = writer.reshape(writer.blocked(x), inMemory(writer, x));
  const inputs = [starts, ends, axes, ...(steps === '' ? [] : [steps])].map(writer.plain);
  writer.keep(y, writer.reshape(writer.add('Slice', [view, ...inputs]), cut));
  return true;
}

export const exchangesBatch = (node: Node): boolean => node.operator === 'Transpose' && numbersAttribute(node, 'perm', []).join() === '1,0,2,3';

const inSets = '1,0,3,4,2';

/**
 * Channels taken apart into sets, sets first, their channels last: the way to the weights' gradient of a Conv. It is left
 * to the Conv at its end, which finds the sets side by side when they are blocks.
 */
export function blockedReshape(writer: BlockedWriter, node: Node): boolean {
  const [x = ''] = node.inputs;
  if (!writer.isDeferred(x) && !(writer.hasBlocks(x) && takesChannelsApart(writer, node))) return false;
  writer.defer(node);
  return true;
}

function takesChannelsApart({ type }: BlockedWriter, { inputs: [x = ''], outputs: [y = ''] }: Node): boolean {
  const [batch, channels = 0, ...sizes] = type(x).dims;
  const [first, sets = 0, each = 0, ...rest] = type(y).dims;
  return sizes.length === 2 && first === batch && sets * each === channels && rest.join() === sizes.join();
}

/** The picture in blocks whose blocks, one by one and rows whole, are the examples of `image`; undefined where it is none such. */
export function blocksAsExamples(writer: BlockedWriter, image: string): string | undefined {
  const makers: (Node | undefined)[] = [];
  for (let name = image; makers.length < 3; name = makers.at(-1)?.inputs[0] ?? '') makers.push(writer.maker(name));
  const [joined, turned, apart] = makers;
  if (joined?.operator !== 'Reshape' || turned?.operator !== 'Transpose' || apart?.operator !== 'Reshape') return undefined;
  const [source = ''] = apart.inputs;
  if (!writer.hasBlocks(source) || !takesChannelsApart(writer, apart) || numbersAttribute(turned, 'perm', []).join() !== inSets) return undefined;
  const [batch = 0, sets = 0, each = 0, height = 0, width = 0] = writer.type(apart.outputs[0] ?? '').dims;
  return each === writer.block && writer.type(image).dims.join() === [sets, batch, height, width * each].join() ? source : undefined;
}

/** Channels to the end: in blocks they are there already when there is one block. */
export function blockedTranspose(writer: BlockedWriter, node: Node): boolean {
  const [x = ''] = node.inputs;
  const [y = ''] = node.outputs;
  const order = numbersAttribute(node, 'perm', []).join();
  // A Conv that takes it for its filters, or its picture, has a shorter way to them.
  if ((order === inSets && writer.isDeferred(x)) || (exchangesBatch(node) && writer.hasBlocks(x))) {
    writer.defer(node);
    return true;
  }
  if (!writer.hasBlocks(x) || writer.type(x).type !== 'float32' || order !== '0,2,3,1') return false;
  const [, channels = 0] = writer.type(x).dims;
  const value = writer.blocked(x);
  if (channels === writer.block) writer.make(y, 'Reshape', [value, writer.longs(writer.type(y).dims)]);
  else writer.make(y, 'ReorderOutput', [value], { channels: int(channels), channels_last: int(1) }, blockedDomain);
  return true;
}
