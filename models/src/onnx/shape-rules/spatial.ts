import { numberAttribute, numbersAttribute, type Node } from '../graph.ts';
import { at, mismatch, range, same, shapeText, unsupported, type ShapeRule, type ValueType } from './rule.ts';

/** How a kernel slides over an input. */
export interface SlidingWindow {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** All begins, then all ends. */
  readonly pads: readonly number[];
}

export interface ConvGeometry extends SlidingWindow {
  readonly group: number;
}

/** Rows (or columns) a kernel covers from its first tap to its last. */
const reach = ({ kernel, dilations }: SlidingWindow, axis: number): number => at(dilations, axis) * (at(kernel, axis) - 1) + 1;

const padding = ({ kernel, pads }: SlidingWindow, axis: number): number => at(pads, axis) + at(pads, axis + kernel.length);

/** An attribute with one whole number an axis. */
function perAxis(node: Node, name: string, axes: number, otherwise: number, least: number): readonly number[] {
  const given = numbersAttribute(node, name, []);
  const values = given.length === 0 ? Array.from({ length: axes }, () => otherwise) : given;
  if (values.length !== axes || values.some((value) => !Number.isInteger(value) || value < least)) {
    throw mismatch(node, `expected ${axes} whole numbers from ${least} as ${name}, found ${shapeText(values)}`);
  }
  return values;
}

/** The `auto_pad` of a node; undefined where its pads are explicit. */
function automaticPads(node: Node): 'VALID' | 'SAME_UPPER' | 'SAME_LOWER' | undefined {
  const value = node.attributes['auto_pad']?.value;
  if (value === undefined || value === 'NOTSET' || value === '') return undefined;
  if (value === 'VALID' || value === 'SAME_UPPER' || value === 'SAME_LOWER') return value;
  throw unsupported(node, `auto_pad ${JSON.stringify(value)} is not known`, 'Export it with explicit pads');
}

/** `spatial` are the sizes of the input behind batch and channels; only auto_pad asks for them. */
function slidingWindow(node: Node, kernel: readonly number[], spatial: readonly number[] | undefined): SlidingWindow {
  const axes = kernel.length;
  const explicit = {
    kernel,
    strides: perAxis(node, 'strides', axes, 1, 1),
    dilations: perAxis(node, 'dilations', axes, 1, 1),
    pads: perAxis(node, 'pads', 2 * axes, 0, 0),
  };
  const automatic = automaticPads(node);
  if (automatic === undefined) return explicit;
  if (automatic === 'VALID') return { ...explicit, pads: range(2 * axes).fill(0) };
  // The runtime refuses a dilated Conv with such pads and pads a dilated pool otherwise than the standard says.
  if (spatial === undefined || explicit.dilations.some((dilation) => dilation > 1)) {
    throw unsupported(node, `auto_pad ${automatic}${spatial === undefined ? '' : ' with dilations'}`, 'Export it with explicit pads');
  }
  const totals = range(axes).map((axis) => {
    const stride = at(explicit.strides, axis);
    const size = at(spatial, axis);
    return Math.max(0, (Math.ceil(size / stride) - 1) * stride + reach(explicit, axis) - size);
  });
  const smaller = totals.map((total) => Math.floor(total / 2));
  const larger = totals.map((total) => Math.ceil(total / 2));
  return { ...explicit, pads: automatic === 'SAME_UPPER' ? [...smaller, ...larger] : [...larger, ...smaller] };
}

/** `inputDims` are needed where the node's pads are automatic. */
export function convGeometry(node: Node, weightDims: readonly number[], inputDims?: readonly number[]): ConvGeometry {
  const kernel = weightDims.slice(2);
  const stated = numbersAttribute(node, 'kernel_shape', kernel);
  if (stated.join() !== kernel.join()) throw mismatch(node, `expected weights for a kernel of ${shapeText(stated)}, found ${shapeText(weightDims)}`);
  const group = numberAttribute(node, 'group', 1);
  if (!Number.isInteger(group) || group < 1) throw mismatch(node, `expected a number of groups from 1, found ${group}`);
  return { ...slidingWindow(node, kernel, inputDims?.slice(2)), group };
}

const conv: ShapeRule = ({ node, input }) => {
  const x = input(0);
  const w = input(1);
  if (x.dims.length !== w.dims.length || x.dims.length < 3) {
    throw mismatch(node, `expected input and weight of one rank from 3, found ${shapeText(x.dims)} and ${shapeText(w.dims)}`);
  }
  const geometry = convGeometry(node, w.dims, x.dims);
  const { kernel, strides, group } = geometry;
  const [batch = 0, channels = 0] = x.dims;
  if (channels !== at(w.dims, 1) * group) throw mismatch(node, `expected ${at(w.dims, 1) * group} channels as its weights say, found ${channels}`);
  if (at(w.dims, 0) % group !== 0) throw mismatch(node, `expected a number of filters that ${group} groups share, found ${at(w.dims, 0)}`);
  const spatial = kernel.map((_, axis) => Math.floor((at(x.dims, axis + 2) + padding(geometry, axis) - reach(geometry, axis)) / at(strides, axis)) + 1);
  if (spatial.some((size) => size < 1)) {
    throw mismatch(node, `expected an input as large as its kernel ${shapeText(kernel)}, found ${shapeText(x.dims)}`);
  }
  return [{ type: x.type, dims: [batch, at(w.dims, 0), ...spatial] }];
};

export interface ConvTransposeGeometry extends ConvGeometry {
  readonly outputPadding: readonly number[];
}

export function convTransposeGeometry(node: Node, weightDims: readonly number[]): ConvTransposeGeometry {
  const automatic = automaticPads(node);
  if (automatic !== undefined && automatic !== 'VALID') throw unsupported(node, `auto_pad ${automatic}`, 'Export it with explicit pads');
  if (numbersAttribute(node, 'output_shape', []).length > 0) {
    throw unsupported(node, 'the attribute output_shape', 'Export it with explicit pads and output_padding');
  }
  const geometry = convGeometry(node, weightDims);
  const outputPadding = perAxis(node, 'output_padding', geometry.kernel.length, 0, 0);
  if (outputPadding.some((extra, axis) => extra >= at(geometry.strides, axis))) {
    throw mismatch(node, `expected output_padding below the strides ${shapeText(geometry.strides)}, found ${shapeText(outputPadding)}`);
  }
  return { ...geometry, outputPadding };
}

const convTranspose: ShapeRule = ({ node, input }) => {
  const x = input(0);
  const w = input(1);
  if (x.dims.length !== w.dims.length || x.dims.length < 3) {
    throw mismatch(node, `expected input and weight of one rank from 3, found ${shapeText(x.dims)} and ${shapeText(w.dims)}`);
  }
  const geometry = convTransposeGeometry(node, w.dims);
  const { kernel, strides, group, outputPadding } = geometry;
  const [batch = 0, channels = 0] = x.dims;
  if (channels !== at(w.dims, 0) || channels % group !== 0) {
    throw mismatch(node, `expected ${at(w.dims, 0)} channels in ${group} groups as its weights say, found ${channels}`);
  }
  const spatial = kernel.map(
    (_, axis) => (at(x.dims, axis + 2) - 1) * at(strides, axis) + at(outputPadding, axis) + reach(geometry, axis) - padding(geometry, axis),
  );
  if (spatial.some((size) => size < 1)) throw mismatch(node, `expected pads that leave something, found an output of ${shapeText(spatial)}`);
  return [{ type: x.type, dims: [batch, at(w.dims, 1) * group, ...spatial] }];
};

/** The windows of a pooling operator over an input of these dimensions. */
export function poolGeometry(node: Node, inputDims: readonly number[]): SlidingWindow {
  const axes = inputDims.length - 2;
  if (axes < 1) throw mismatch(node, `expected an input of rank 3 or more, found ${shapeText(inputDims)}`);
  const kernel = perAxis(node, 'kernel_shape', axes, 0, 1);
  const window = slidingWindow(node, kernel, inputDims.slice(2));
  if (window.pads.some((pad, index) => pad >= at(kernel, index % axes) * at(window.dilations, index % axes))) {
    throw mismatch(node, `expected pads smaller than the kernel ${shapeText(kernel)}, found ${shapeText(window.pads)}`);
  }
  return window;
}

function pooledDims(node: Node, inputDims: readonly number[]): number[] {
  const window = poolGeometry(node, inputDims);
  const up = numberAttribute(node, 'ceil_mode', 0) !== 0;
  const spatial = window.kernel.map((_, axis) => {
    const size = at(inputDims, axis + 2);
    const stride = at(window.strides, axis);
    const steps = (size + padding(window, axis) - reach(window, axis)) / stride;
    if (up && Math.ceil(steps) * stride >= size + at(window.pads, axis)) {
      // The runtime leaves it out when it computes and counts it when it checks shapes.
      throw unsupported(node, 'ceil_mode with a last window that starts behind the input', 'Export it without ceil_mode');
    }
    return (up ? Math.ceil(steps) : Math.floor(steps)) + 1;
  });
  if (spatial.some((size) => size < 1)) {
    throw mismatch(node, `expected an input as large as its kernel ${shapeText(window.kernel)}, found ${shapeText(inputDims)}`);
  }
  return [...inputDims.slice(0, 2), ...spatial];
}

const pool: ShapeRule = ({ node, input }) => [{ type: input(0).type, dims: pooledDims(node, input(0).dims) }];

/** With the places of the maxima as a second output. */
const maxPool: ShapeRule = ({ node, input }) => {
  const dims = pooledDims(node, input(0).dims);
  return [
    { type: input(0).type, dims },
    { type: 'int64', dims },
  ];
};

const maxUnpool: ShapeRule = ({ node, input, has, fixed }) => {
  const { type, dims } = input(0);
  if (has(2)) return [{ type, dims: fixed(2, 'output sizes') }];
  const { kernel, strides, pads } = poolGeometry(node, dims);
  const spatial = kernel.map((size, axis) => (at(dims, axis + 2) - 1) * at(strides, axis) + size - at(pads, axis) - at(pads, axis + kernel.length));
  return [{ type, dims: [...dims.slice(0, 2), ...spatial] }];
};

const globalPool: ShapeRule = ({ input }) => {
  const { type, dims } = input(0);
  return [{ type, dims: dims.map((dim, axis) => (axis < 2 ? dim : 1)) }];
};

const resize: ShapeRule = ({ node, input, constant, fixed }) => {
  const { type, dims } = input(0);
  const refused = { keep_aspect_ratio_policy: ['not_larger', 'not_smaller'], coordinate_transformation_mode: ['tf_crop_and_resize'] };
  for (const [name, values] of Object.entries(refused)) {
    const value = node.attributes[name]?.value;
    if (typeof value === 'string' && values.includes(value))
      throw unsupported(node, `${name} ${value}`, 'Export it with sizes or scales of its own for each axis');
  }
  const axes = numbersAttribute(node, 'axes', range(dims.length)).map((axis) => (axis < 0 ? axis + dims.length : axis));
  // Up to opset 10 the scales were the second input.
  const scalesAt = node.inputs.length === 2 ? 1 : 2;
  const bySize = constant(scalesAt)?.length === 0 || (node.inputs[scalesAt] ?? '') === '';
  const wanted = bySize ? fixed(3, 'sizes') : fixed(scalesAt, 'scales');
  if (wanted.length !== axes.length) throw mismatch(node, `expected ${axes.length} ${bySize ? 'sizes' : 'scales'}, found ${shapeText(wanted)}`);
  const result = [...dims];
  axes.forEach((axis, index) => {
    const value = at(wanted, index);
    // In float32, as the runtime reckons.
    result[axis] = bySize ? value : Math.floor(Math.fround(Math.fround(value) * at(dims, axis)));
  });
  if (result.some((size) => size < 1)) throw mismatch(node, `expected a size from 1 on every axis, found ${shapeText(result)}`);
  return [{ type, dims: result }];
};

const upsample: ShapeRule = ({ node }) => {
  throw unsupported(node, 'the operator Upsample left the standard', 'Export the model at opset 11 or later, where it is Resize');
};

const batchNormalization: ShapeRule = ({ node, input }) => {
  const x = input(0);
  const scale = input(1);
  if (numberAttribute(node, 'spatial', 1) !== 1) throw unsupported(node, 'spatial 0', 'Export it with statistics for a channel');
  if (x.dims.length < 2 || scale.dims.length !== 1 || scale.dims[0] !== x.dims[1]) {
    throw mismatch(node, `expected a scale for each of ${at(x.dims, 1)} channels, found ${shapeText(scale.dims)}`);
  }
  // In training the mean and the variance follow.
  return [x, ...Array.from({ length: 4 }, () => scale)];
};

const layerNormalization: ShapeRule = ({ node, input }) => {
  const x = input(0);
  const axis = numberAttribute(node, 'axis', -1);
  const first = axis < 0 ? axis + x.dims.length : axis;
  const statistic: ValueType = { type: 'float32', dims: x.dims.map((dim, index) => (index < first ? dim : 1)) };
  return [x, statistic, statistic];
};

export const spatialShapes: Readonly<Record<string, ShapeRule>> = {
  Conv: conv,
  ConvTranspose: convTranspose,
  MaxPool: maxPool,
  AveragePool: pool,
  LpPool: pool,
  MaxUnpool: maxUnpool,
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
  GlobalLpPool: globalPool,
  Resize: resize,
  Upsample: upsample,
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  InstanceNormalization: same,
  GroupNormalization: same,
  LRN: same,
};
