import { int, ints, longs, text } from '../../onnx/graph.ts';
import { input, number, type LayerKind, type LayerRule } from '../layer.ts';
import { homeOf, inLayout, placeOf, valueOf } from '../values.ts';
import { slidingAttributes } from './conv.ts';
import { images, readFormat, slidSizes, type Sliding } from './spatial.ts';
import { invalid, unsupported } from '../config.ts';

const ones = (count: number): number[] => Array.from({ length: count }, () => 1);

const pool =
  (operator: 'MaxPool' | 'AveragePool', axes: number): LayerRule =>
  (config) => {
    const kernel = config.sizes(
      'pool_size',
      axes,
      ones(axes).map(() => 2),
    );
    const strides = config.sizes('strides', axes, kernel);
    const sliding: Sliding = { kernel, strides, dilations: ones(axes), padding: config.choice('padding', ['valid', 'same'] as const, 'valid') };
    const over = images(config, axes);
    return (context) => {
      const image = over.of(context);
      const name = context.add(operator, [image.name], slidingAttributes(context.title, sliding, image.sizes));
      return [over.value(context, { ...image, name, sizes: slidSizes(sliding, image.sizes, context.title) })];
    };
  };

/** Over everything but batch and channels; done where the value lies. */
const globalPool =
  (kind: 'Average' | 'Max', axes: number): LayerRule =>
  (config) => {
    config.only('keepdims', [false], 'tfjs does not heed it: use a Reshape layer behind it');
    const isFirst = axes > 1 && readFormat(config) === 'channels_first';
    return (context) => {
      const { add } = context;
      const value = input(context, axes + 2);
      const { dims } = value;
      const pooled = [dims[0] ?? null, (isFirst ? dims[1] : dims.at(-1)) ?? null];
      const layout = homeOf(value);
      const x = value.forms.get(layout) ?? '';
      if (layout === (isFirst ? 'plain' : 'channels')) return [valueOf(add('Flatten', [add(`Global${kind}Pool`, [x])], { axis: int(1) }), pooled)];
      const over = dims.map((_, axis) => axis).slice(isFirst ? 2 : 1, isFirst ? undefined : -1);
      const places = over.map((axis) => placeOf(layout, axis, dims.length)).toSorted((a, b) => a - b);
      return [valueOf(add(kind === 'Average' ? 'ReduceMean' : 'ReduceMax', [x], { axes: ints(places), keepdims: int(0) }), pooled)];
    };
  };

/** Numbers before and after each of two axes, however they are written. */
function readMargins(value: unknown, otherwise: unknown): readonly (readonly [number, number])[] | undefined {
  const given = value ?? otherwise;
  const pairs = (Array.isArray(given) ? given : [given, given]).map((each): unknown => (Array.isArray(each) ? each : [each, each]));
  const isSize = (size: unknown): boolean => Number.isInteger(size) && Number(size) >= 0 && Number(size) < 2 ** 20;
  const sound = pairs.length === 2 && pairs.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every(isSize));
  return sound ? (pairs as [number, number][]) : undefined;
}

const margins =
  (key: 'padding' | 'cropping', otherwise: unknown): LayerRule =>
  (config) => {
    const isFirst = readFormat(config) === 'channels_first';
    const sides = readMargins(config.raw(key), otherwise);
    if (sides === undefined) throw unsupported(`${config.title}: ${key}`, 'Give numbers for top and bottom, left and right');
    return (context) => {
      const value = input(context, 4);
      const layout = homeOf(value);
      const x = value.forms.get(layout) ?? '';
      const axes = isFirst ? [2, 3] : [1, 2];
      const places = axes.map((axis) => placeOf(layout, axis, 4));
      const sign = key === 'padding' ? 1 : -1;
      const dims = value.dims.map((dim, axis) => {
        const [before, after] = sides[axes.indexOf(axis)] ?? [0, 0];
        return dim === null ? null : dim + sign * (before + after);
      });
      if (dims.some((dim) => dim !== null && dim < 1)) throw invalid(`${context.title}: it crops more than there is`, 'Crop less');
      const ends = sides.map(([before]) => before);
      const others = sides.map(([, after]) => after);
      const constant = (numbers: readonly number[]): string => context.constant(longs(numbers));
      if (key === 'cropping') {
        const stops = others.map((after) => (after === 0 ? 2 ** 31 - 1 : -after));
        return [valueOf(context.add('Slice', [x, constant(ends), constant(stops), constant(places)]), dims, layout)];
      }
      const pads = (numbers: readonly number[]): number[] => [0, 1, 2, 3].map((place) => numbers[places.indexOf(place)] ?? 0);
      return [valueOf(context.add('Pad', [x, constant([...pads(ends), ...pads(others)]), number(context, 0)]), dims, layout)];
    };
  };

const upSampling: LayerRule = (config) => {
  const size = config.sizes('size', 2, [2, 2]);
  const mode = config.choice('interpolation', ['nearest', 'bilinear'] as const, 'nearest');
  const isFirst = readFormat(config) === 'channels_first';
  return (context) => {
    const value = input(context, 4);
    const x = inLayout(value, isFirst ? 'plain' : 'channels', context.add);
    const scales = context.constant({ type: 'float32', dims: [4], data: Float32Array.of(1, 1, ...size) });
    const name = context.add('Resize', [x, '', scales], {
      coordinate_transformation_mode: text('asymmetric'),
      ...(mode === 'nearest' ? { mode: text('nearest'), nearest_mode: text('floor') } : { mode: text('linear') }),
    });
    const axes = isFirst ? [2, 3] : [1, 2];
    const dims = value.dims.map((dim, axis) => (dim === null ? null : dim * (size[axes.indexOf(axis)] ?? 1)));
    return [valueOf(name, dims, isFirst ? 'plain' : 'channels')];
  };
};

export const poolLayers: Readonly<Record<string, LayerKind>> = {
  MaxPooling1D: { rule: pool('MaxPool', 1) },
  MaxPooling2D: { rule: pool('MaxPool', 2) },
  AveragePooling1D: { rule: pool('AveragePool', 1) },
  AveragePooling2D: { rule: pool('AveragePool', 2) },
  GlobalMaxPooling1D: { rule: globalPool('Max', 1) },
  GlobalMaxPooling2D: { rule: globalPool('Max', 2) },
  GlobalAveragePooling1D: { rule: globalPool('Average', 1) },
  GlobalAveragePooling2D: { rule: globalPool('Average', 2) },
  ZeroPadding2D: { rule: margins('padding', 1) },
  Cropping2D: { rule: margins('cropping', 0) },
  UpSampling2D: { rule: upSampling },
};
