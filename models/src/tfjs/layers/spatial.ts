import { invalid, type Config } from '../config.ts';
import { input, shapeText, type LayerContext } from '../layer.ts';
import { inLayout, valueOf, type Dims, type Value } from '../values.ts';

/** Something over one or two axes of an image: batch and channels first, as the operators want it. */
export interface Image {
  readonly name: string;
  readonly channels: number | null;
  readonly sizes: Dims;
}

/** Which end the channels are at, for tfjs. */
export const readFormat = (config: Config): 'channels_last' | 'channels_first' =>
  config.choice('data_format', ['channels_last', 'channels_first'] as const, 'channels_last');

export interface Images {
  of(context: LayerContext): Image;
  /** The result, as tfjs has it. */
  value(context: LayerContext, image: Image): Value;
}

/** How a layer over `axes` axes takes its input and gives its result. */
export function images(config: Config, axes: number): Images {
  const isFirst = axes > 1 && readFormat(config) === 'channels_first';
  return {
    of: (context) => {
      const value = input(context, axes + 2);
      const { dims } = value;
      const name = inLayout(value, isFirst ? 'plain' : 'channels', context.add);
      return isFirst ? { name, channels: dims[1] ?? null, sizes: dims.slice(2) } : { name, channels: dims.at(-1) ?? null, sizes: dims.slice(1, -1) };
    },
    value: (context, { name, channels, sizes }) => {
      const batch = context.inputs[0]?.dims[0] ?? null;
      return isFirst ? valueOf(name, [batch, channels, ...sizes]) : valueOf(name, [batch, ...sizes, channels], 'channels');
    },
  };
}

/** How a kernel goes over its input. */
export interface Sliding {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padding: 'valid' | 'same' | 'causal';
}

const reach = (kernel: number, dilation: number): number => (kernel - 1) * dilation + 1;

/** All begins, then all ends; undefined where they depend on a size that is open. */
export function padsOf({ kernel, strides, dilations, padding }: Sliding, sizes: Dims): number[] | undefined {
  const each = kernel.map((taps, axis): [number, number] | undefined => {
    const [stride = 1, dilation = 1, size] = [strides[axis], dilations[axis], sizes[axis]];
    const length = reach(taps, dilation);
    if (padding === 'valid') return [0, 0];
    if (padding === 'causal') return [length - 1, 0];
    if (stride === 1) return [Math.floor((length - 1) / 2), Math.ceil((length - 1) / 2)];
    if (size === null || size === undefined) return undefined;
    const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + length - size);
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  });
  const all = each.filter((pads) => pads !== undefined);
  return all.length < each.length ? undefined : [...all.map(([begin]) => begin), ...all.map(([, end]) => end)];
}

export function slidSizes({ kernel, strides, dilations, padding }: Sliding, sizes: Dims, title: string): (number | null)[] {
  return kernel.map((taps, axis) => {
    const [stride = 1, dilation = 1, size] = [strides[axis], dilations[axis], sizes[axis]];
    if (size === null || size === undefined) return null;
    const left = padding === 'valid' ? size - reach(taps, dilation) + 1 : size;
    if (left < 1) throw invalid(`${title}: its kernel is larger than its input ${shapeText(sizes)}`, 'Make the input larger');
    return Math.ceil(left / stride);
  });
}
