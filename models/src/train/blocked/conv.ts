import { elementCount, int, ints, text, type Attribute, type Node } from '../../onnx/graph.ts';
import { convGeometry, convTransposeGeometry, type ConvGeometry } from '../../onnx/shape-rules/spatial.ts';
import { blocksAsExamples, depthToSpace, exchangesBatch } from './movement.ts';
import type { BlockedWriter } from './writer.ts';

const at = (list: readonly number[], index: number): number => list[index] ?? 0;

/** Writes a Conv for pictures in blocks; false where its channels do not fill blocks. */
export function blockedConv(writer: BlockedWriter, node: Node): boolean {
  const { block, type } = writer;
  const [x = '', w = '', bias = ''] = node.inputs;
  const [y = ''] = node.outputs;
  const [filters = 0, depth = 0] = type(w).dims;
  if (type(x).type !== 'float32' || !writer.fits(y)) return false;
  const geometry = convGeometry(node, type(w).dims, type(x).dims);
  const { group } = geometry;
  const isDepthwise = group > 1 && depth === 1 && filters === group;
  const isNarrow = group === 1 && depth < block;
  if (!isNarrow && !isDepthwise && (depth % block !== 0 || (filters / group) % block !== 0)) return false;

  const relu = bias === '' || type(bias).dims.length === 1 ? followingRelu(writer, y) : undefined;
  const activation = relu === undefined ? {} : { activation: text('Relu') };
  const { image, pads } = pictureOf(writer, node, geometry, isNarrow);
  const weights = isNarrow || isDepthwise ? narrowFilters(writer, w) : blockedFilters(writer, w);
  const made = writer.addBlocked('Conv', [image, weights, ...(bias === '' ? [] : [writer.plain(bias)])], {
    ...windowAttributes({ ...geometry, pads }),
    ...activation,
  });
  writer.keep(relu ?? y, made);
  return true;
}

const windowAttributes = ({ kernel, strides, dilations, pads, group }: ConvGeometry): Record<string, Attribute> => ({
  kernel_shape: ints(kernel),
  strides: ints(strides),
  dilations: ints(dilations),
  pads: ints(pads),
  group: int(group),
});

/** A Relu that is all that reads the value: the kernel does it on the way out. */
function followingRelu({ readers }: BlockedWriter, y: string): string | undefined {
  const [only, ...more] = readers(y) ?? [];
  return only?.operator === 'Relu' && more.length === 0 ? only.outputs[0] : undefined;
}

interface Picture {
  readonly image: string;
  readonly pads: readonly number[];
}

/**
 * What a Conv reads, in the form its kernel wants. The kernel works out places whose windows reach into the padding one by
 * one, several at a time elsewhere: where they are most of a row, as in the gradient of a weight, zeros are put aside the
 * picture first.
 */
function pictureOf(writer: BlockedWriter, { inputs: [x = ''], outputs: [y = ''] }: Node, { strides, pads }: ConvGeometry, isNarrow: boolean): Picture {
  const [top = 0, left = 0, bottom = 0, right = 0] = pads;
  const isMostPadding = ((left + right) / at(strides, 1)) * 4 >= at(writer.type(y).dims, 3) && left + right > 0;
  const source = isNarrow ? undefined : blocksAsExamples(writer, x);
  const [sets = 0, examples = 0, height = 0, width = 0] = writer.type(x).dims;
  const pad = (value: string): string => writer.add('Pad', [value, writer.longs([0, 0, 0, left, 0, 0, 0, right])]);
  if (source !== undefined) {
    // The examples' blocks are rows of one picture whose channels are the examples; then each block is on its own again.
    const rows = writer.reshape(writer.blocked(source), [1, examples, sets * height, width]);
    const image = writer.addBlocked('ReorderInput', [isMostPadding ? pad(rows) : rows]);
    const wide = isMostPadding ? width + left + right : width;
    const apart = examples === writer.block ? image : setsFirst(writer, image, [examples / writer.block, sets, height * wide * writer.block]);
    return { image: writer.reshape(apart, [sets, examples, height, wide]), pads: isMostPadding ? [top, 0, bottom, 0] : pads };
  }
  if (!isMostPadding || writer.isBlocked(x)) return { image: isNarrow ? writer.plain(x) : writer.blocked(x), pads };
  const padded = pad(writer.plain(x));
  return { image: isNarrow ? padded : writer.addBlocked('ReorderInput', [padded]), pads: [top, 0, bottom, 0] };
}

const setsFirst = (writer: BlockedWriter, value: string, dims: readonly number[]): string =>
  writer.add('Transpose', [writer.reshape(value, dims)], { perm: ints([1, 0, 2]) });

/** Filters as [filters / block, depth / block, rows, columns, block of depth, block of filters]. */
function blockedFilters(writer: BlockedWriter, w: string): string {
  const { block, type } = writer;
  const { dims } = type(w);
  const [filters = 0, depth = 0, ...kernel] = dims;
  const taps = elementCount(kernel);
  const source = exchangedSource(writer, w);
  if (source !== undefined) {
    const blocks = writer.reshape(writer.blocked(source), [depth / block, block, filters / block, taps, block]);
    return writer.reshape(writer.add('Transpose', [blocks], { perm: ints([2, 0, 3, 1, 4]) }), dims);
  }
  const blocks = writer.reshape(writer.plain(w), [filters / block, block, depth / block, block, taps]);
  return writer.reshape(writer.add('Transpose', [blocks], { perm: ints([0, 2, 4, 3, 1]) }), dims);
}

/** The gradient of a Conv serves as filters, with examples in the place of depth: what lies in blocks moves as it is. */
function exchangedSource(writer: BlockedWriter, w: string): string | undefined {
  const maker = writer.maker(w);
  const source = maker?.inputs[0] ?? '';
  return maker !== undefined && exchangesBatch(maker) && writer.hasBlocks(source) ? source : undefined;
}

/** Filters over fewer channels than a block has, or over one each. */
function narrowFilters(writer: BlockedWriter, w: string): string {
  const { block, type } = writer;
  const { dims } = type(w);
  const [filters = 0, depth = 0, ...kernel] = dims;
  const taps = elementCount(kernel);
  const source = exchangedSource(writer, w);
  if (source !== undefined) {
    const blocks = writer.reshape(writer.blocked(source), [depth, filters / block, taps * block]);
    return writer.reshape(writer.add('Transpose', [blocks], { perm: ints([1, 0, 2]) }), dims);
  }
  const blocks = writer.reshape(writer.plain(w), [filters / block, block, depth * taps]);
  return writer.reshape(writer.add('Transpose', [blocks], { perm: ints([0, 2, 1]) }), dims);
}

/** One axis of a transposed convolution: the taps that reach each phase of the output from which offset of the input. */
interface Phases {
  readonly stride: number;
  readonly offsets: readonly number[];
  /** The tap from an offset to a phase; undefined where there is none. */
  tap(phase: number, offset: number): number | undefined;
}

function phasesOf(kernel: number, stride: number, pad: number): Phases {
  // Output y takes from input r what tap k = y + pad - r * stride says.
  const tap = (phase: number, offset: number): number | undefined => {
    const found = phase + pad - offset * stride;
    return found >= 0 && found < kernel ? found : undefined;
  };
  const least = Math.ceil((pad - kernel + 1) / stride);
  const most = Math.floor((stride - 1 + pad) / stride);
  return { stride, offsets: Array.from({ length: most - least + 1 }, (_, index) => least + index), tap };
}

/**
 * A ConvTranspose as a Conv that finds all phases of the output side by side, as channels, and puts them in their places.
 * Without strides there is one phase, and this is the Conv with turned filters.
 */
export function blockedConvTranspose(writer: BlockedWriter, node: Node): boolean {
  const { block, type } = writer;
  const [x = '', w = '', bias = ''] = node.inputs;
  const [y = ''] = node.outputs;
  const [depth = 0, filters = 0] = type(w).dims;
  if (bias !== '' || type(x).type !== 'float32' || !writer.fits(x) || !writer.fits(y)) return false;
  const { kernel, strides, dilations, pads, group } = convTransposeGeometry(node, type(w).dims);
  const stride = at(strides, 0);
  if (group !== 1 || at(strides, 1) !== stride || (stride > 1 && dilations.some((dilation) => dilation > 1))) return false;
  const dims = type(y).dims;
  const from = type(x).dims;
  const axes = kernel.map((size, axis) => {
    const dilation = at(dilations, axis);
    const phases = phasesOf((size - 1) * dilation + 1, stride, at(pads, axis));
    const offsets = phases.offsets.filter((offset) => dilation === 1 || (phases.tap(0, offset) ?? 1) % dilation === 0);
    const first = at(offsets, 0);
    const rows = Math.ceil(at(dims, axis + 2) / stride);
    const begin = -first;
    return { ...phases, offsets, dilation, rows, begin, end: rows - at(from, axis + 2) - begin + at(offsets, offsets.length - 1) - first };
  });
  const [rows, columns] = axes;
  if (rows === undefined || columns === undefined || axes.some(({ begin, end }) => begin < 0 || end < 0)) return false;

  const phase = Array.from({ length: stride }, (_, index) => index);
  const taps = elementCount(kernel);
  const indices = phase.flatMap((down) =>
    phase.flatMap((across) =>
      rows.offsets.flatMap((row) =>
        columns.offsets.map((column) => {
          const [tapRow, tapColumn] = [rows.tap(down, row), columns.tap(across, column)];
          if (tapRow === undefined || tapColumn === undefined) return taps;
          return (tapRow / rows.dilation) * at(kernel, 1) + tapColumn / columns.dilation;
        }),
      ),
    ),
  );
  const byTap = writer.add('Transpose', [writer.reshape(writer.plain(w), [depth / block, block, filters / block, block, taps])], {
    perm: ints([4, 2, 0, 1, 3]),
  });
  const withNone = indices.includes(taps) ? writer.add('Pad', [byTap, writer.longs([0, 0, 0, 0, 0, 1, 0, 0, 0, 0])]) : byTap;
  const gathered = writer.add('Gather', [withNone, writer.longs(indices)], { axis: int(0) });
  const window = [rows.offsets.length, columns.offsets.length];
  const places = elementCount(window);
  const split = writer.reshape(gathered, [stride * stride, places, filters / block, depth / block, block * block]);
  const weights = writer.reshape(writer.add('Transpose', [split], { perm: ints([0, 2, 3, 1, 4]) }), [stride * stride * filters, depth, ...window]);
  const made = writer.addBlocked('Conv', [writer.blocked(x), weights], {
    kernel_shape: ints(window),
    dilations: ints(axes.map(({ dilation }) => dilation)),
    pads: ints([...axes.map(({ begin }) => begin), ...axes.map(({ end }) => end)]),
    strides: ints([1, 1]),
    group: int(1),
  });
  writer.keep(y, depthToSpace(writer, made, { dims, stride, rows: rows.rows, columns: columns.rows }));
  return true;
}
