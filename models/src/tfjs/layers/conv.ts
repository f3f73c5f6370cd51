import { int, ints, text, type Attribute } from '../../onnx/graph.ts';
import { invalid, unsupported, type Config } from '../config.ts';
import { permuted, reshaped, type LayerContext, type LayerKind, type LayerRule } from '../layer.ts';
import { readActivation } from './activation.ts';
import { images, padsOf, slidSizes, type Image, type Sliding } from './spatial.ts';

const repeated = (value: number, count: number): number[] => Array.from({ length: count }, () => value);

function readSliding(config: Config, axes: number, paddings: readonly Sliding['padding'][]): Sliding {
  config.only('groups', [1], 'tfjs has no groups; use DepthwiseConv2D or several layers');
  return {
    kernel: config.sizes('kernel_size', axes),
    strides: config.sizes('strides', axes, repeated(1, axes)),
    dilations: config.sizes('dilation_rate', axes, repeated(1, axes)),
    padding: config.choice('padding', paddings, 'valid'),
  };
}

/** Attributes of a Conv or a pool over an input of these sizes. */
export function slidingAttributes(title: string, sliding: Sliding, sizes: Image['sizes']): Record<string, Attribute> {
  const { kernel, strides, dilations } = sliding;
  const pads = padsOf(sliding, sizes);
  const isDilated = dilations.some((dilation) => dilation > 1);
  if (pads === undefined && isDilated) {
    throw unsupported(`${title}: padding "same" with strides and dilation over an input of open size`, 'Give the input of the model a fixed shape');
  }
  return {
    kernel_shape: ints(kernel),
    strides: ints(strides),
    ...(isDilated ? { dilations: ints(dilations) } : {}),
    ...(pads === undefined ? { auto_pad: text('SAME_UPPER') } : { pads: ints(pads) }),
  };
}

/** Kernels of tfjs are [...sizes, in, out]; operators want out and in first. */
const outFirst = (axes: number): number[] => [axes + 1, axes, ...Array.from({ length: axes }, (_, axis) => axis)];

function channelsOf(context: LayerContext, { channels }: Image): number {
  if (channels === null)
    throw invalid(`${context.title} needs to know how many channels its input has`, 'Give the input of the model a fixed number of channels');
  return channels;
}

const conv =
  (axes: number): LayerRule =>
  (config) => {
    const filters = config.whole('filters');
    const sliding = readSliding(config, axes, axes === 1 ? ['valid', 'same', 'causal'] : ['valid', 'same']);
    const hasBias = config.flag('use_bias', true);
    const act = readActivation(config);
    const over = images(config, axes);
    return (context) => {
      const image = over.of(context);
      const channels = channelsOf(context, image);
      const kernel = context.store('kernel', () => permuted(context.weight('kernel', [...sliding.kernel, channels, filters]), outFirst(axes)));
      const bias = hasBias ? [context.store('bias', () => context.weight('bias', [filters]))] : [];
      const name = context.add('Conv', [image.name, kernel, ...bias], slidingAttributes(context.title, sliding, image.sizes));
      return [act(context, over.value(context, { name, channels: filters, sizes: slidSizes(sliding, image.sizes, context.title) }))];
    };
  };

/** One filter (or `multiplier` of them) for each channel. */
function depthwise(context: LayerContext, image: Image, sliding: Sliding, multiplier: number, bias: readonly string[]): Image {
  const channels = channelsOf(context, image);
  const filters = channels * multiplier;
  const kernel = context.store('depthwise_kernel', () => {
    const byFilter = permuted(context.weight('depthwise_kernel', [...sliding.kernel, channels, multiplier]), [2, 3, 0, 1]);
    return reshaped(byFilter, [filters, 1, ...sliding.kernel]);
  });
  const name = context.add('Conv', [image.name, kernel, ...bias], { ...slidingAttributes(context.title, sliding, image.sizes), group: int(channels) });
  return { name, channels: filters, sizes: slidSizes(sliding, image.sizes, context.title) };
}

const depthwiseConv: LayerRule = (config) => {
  const sliding = readSliding(config, 2, ['valid', 'same']);
  config.only('dilation_rate', [1, [1, 1]], 'tfjs does not heed it and Keras does, so there is no one answer: use SeparableConv2D');
  const multiplier = config.whole('depth_multiplier', 1);
  const hasBias = config.flag('use_bias', true);
  const act = readActivation(config);
  const over = images(config, 2);
  return (context) => {
    const image = over.of(context);
    const bias = hasBias ? [context.store('bias', () => context.weight('bias', [channelsOf(context, image) * multiplier]))] : [];
    return [act(context, over.value(context, depthwise(context, image, sliding, multiplier, bias)))];
  };
};

const separableConv: LayerRule = (config) => {
  const filters = config.whole('filters');
  const sliding = readSliding(config, 2, ['valid', 'same']);
  const hasBias = config.flag('use_bias', true);
  const act = readActivation(config);
  const over = images(config, 2);
  return (context) => {
    const image = over.of(context);
    // tfjs does not save its depthMultiplier.
    const multiplier = context.weight('depthwise_kernel', [...sliding.kernel, image.channels, null]).dims[3] ?? 1;
    const deep = depthwise(context, image, sliding, multiplier, []);
    const kernel = context.store('pointwise_kernel', () =>
      permuted(context.weight('pointwise_kernel', [1, 1, channelsOf(context, deep), filters]), outFirst(2)),
    );
    const bias = hasBias ? [context.store('bias', () => context.weight('bias', [filters]))] : [];
    const name = context.add('Conv', [deep.name, kernel, ...bias], { kernel_shape: ints([1, 1]) });
    return [act(context, over.value(context, { ...deep, name, channels: filters }))];
  };
};

const convTranspose: LayerRule = (config) => {
  const filters = config.whole('filters');
  const { kernel: taps, strides, padding } = readSliding(config, 2, ['valid', 'same']);
  config.only('dilation_rate', [1, [1, 1]], 'tfjs does not heed it: leave it out');
  config.only('output_padding', [], 'tfjs does not heed it: leave it out');
  const hasBias = config.flag('use_bias', true);
  const act = readActivation(config);
  const over = images(config, 2);
  // tfjs makes the output as large as the strides say, or as the kernel reaches.
  const surplus = taps.map((size, axis) => size - (strides[axis] ?? 1));
  const cut = surplus.map((size) => (padding === 'same' ? Math.max(size, 0) : 0));
  const attributes = {
    kernel_shape: ints(taps),
    strides: ints(strides),
    pads: ints([...cut.map((size) => Math.floor(size / 2)), ...cut.map((size) => Math.ceil(size / 2))]),
    output_padding: ints(surplus.map((size) => Math.max(-size, 0))),
  };
  return (context) => {
    const image = over.of(context);
    const channels = channelsOf(context, image);
    const kernel = context.store('kernel', () => permuted(context.weight('kernel', [...taps, filters, channels]), [3, 2, 0, 1]));
    const bias = hasBias ? [context.store('bias', () => context.weight('bias', [filters]))] : [];
    const name = context.add('ConvTranspose', [image.name, kernel, ...bias], attributes);
    const sizes = image.sizes.map((size, axis) => (size === null ? null : size * (strides[axis] ?? 1) + Math.max((surplus[axis] ?? 0) - (cut[axis] ?? 0), 0)));
    return [act(context, over.value(context, { name, channels: filters, sizes }))];
  };
};

export const convLayers: Readonly<Record<string, LayerKind>> = {
  Conv1D: { rule: conv(1) },
  Conv2D: { rule: conv(2) },
  DepthwiseConv2D: { rule: depthwiseConv },
  SeparableConv2D: { rule: separableConv },
  Conv2DTranspose: { rule: convTranspose },
};
