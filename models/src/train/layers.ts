import { seededRandom, type Random } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';

import { createGraphBuilder, type GraphBuilder } from '../onnx/builder.ts';
import {
  createModel,
  elementCount,
  float,
  floats,
  int,
  ints,
  longs,
  scalar,
  text,
  type Attribute,
  type ElementType,
  type Model,
  type Tensor,
} from '../onnx/graph.ts';
import { inferNode } from '../onnx/shapes.ts';
import type { ValueType } from '../onnx/shape-rules/rule.ts';
import { glorotUniform, heNormal, ones, zeros, type Initialiser } from './initialise.ts';
import { castTo } from './tape.ts';

/** A value of the network being defined. Its first dimension is the batch, whose size stays open. */
export interface Value {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
}

export interface ConvOptions {
  readonly kernel?: number;
  readonly stride?: number;
  readonly dilation?: number;
  readonly groups?: number;
  /** `same` keeps the size at stride 1 and divides it at others. */
  readonly pad?: 'same' | number;
  readonly bias?: boolean;
  readonly initialiser?: Initialiser;
  readonly name?: string;
}

export interface DenseOptions {
  readonly bias?: boolean;
  readonly initialiser?: Initialiser;
  readonly name?: string;
}

export interface PoolOptions {
  readonly stride?: number;
  readonly pad?: number;
}

/** The words a network is written in. Weights get the layer's name and draw from a generator of that name. */
export interface Layers {
  /** A raw uint8 NHWC picture as NCHW floats from 0 to 1. */
  image(name: string, height: number, width: number, channels: number): Value;
  input(name: string, type: ElementType, dims: readonly number[]): Value;
  /** Names the value and makes it an output of the deployed model. */
  output(name: string, value: Value): void;
  /** Gives the value a name a loss can ask for, without making it an output. */
  named(name: string, value: Value): Value;

  conv(x: Value, filters: number, options?: ConvOptions): Value;
  depthwise(x: Value, options?: ConvOptions): Value;
  convTranspose(x: Value, filters: number, options?: Omit<ConvOptions, 'pad' | 'groups'>): Value;
  dense(x: Value, units: number, options?: DenseOptions): Value;
  /** Rows of a table that learns, looked up by number. */
  embed(x: Value, rows: number, width: number, name?: string): Value;
  batchNorm(x: Value, options?: { readonly momentum?: number; readonly epsilon?: number; readonly name?: string }): Value;
  /** Over the last axis. */
  layerNorm(x: Value, options?: { readonly epsilon?: number; readonly name?: string }): Value;

  relu(x: Value): Value;
  leakyRelu(x: Value, slope?: number): Value;
  hardSwish(x: Value): Value;
  gelu(x: Value): Value;
  sigmoid(x: Value): Value;
  tanh(x: Value): Value;
  softmax(x: Value): Value;
  maxPool(x: Value, kernel: number, options?: PoolOptions): Value;
  averagePool(x: Value, kernel: number, options?: PoolOptions): Value;
  globalAveragePool(x: Value): Value;
  /** Each pixel becomes a square of `factor` by `factor`. */
  upsample(x: Value, factor?: number): Value;
  add(a: Value, b: Value): Value;
  subtract(a: Value, b: Value): Value;
  multiply(a: Value, b: Value): Value;
  divide(a: Value, b: Value): Value;
  /** Along the channels, or another axis. */
  concat(values: readonly Value[], axis?: number): Value;
  flatten(x: Value): Value;
  /** The batch stays; `dims` are what follows it. */
  reshape(x: Value, dims: readonly number[]): Value;
  transpose(x: Value, order: readonly number[]): Value;
  /** A constant that does not learn. */
  constant(tensor: Tensor, name?: string): Value;
  number(value: number): Value;
  /** Any operator there is. */
  apply(operator: string, inputs: readonly (Value | undefined)[], attributes?: Record<string, Attribute>): Value;
  /** Names inside begin with this one. */
  scope<Result>(name: string, define: () => Result): Result;
}

/** Stands for the open batch while shapes are worked out; two, so that nothing that fits only one example passes. */
export const probeBatch = 2;

/** Defines a network with fresh weights: the same name, seed and definition give the same numbers. */
export function defineModel(name: string, seed: number, define: (nn: Layers) => void): Model {
  const sheet: Sheet = { builder: createGraphBuilder(name), types: new Map(), constants: new Map() };
  define(createLayers(sheet, seed));
  return finishModel(name, sheet);
}

/** A graph under way, with the type of every value and the constants that decide shapes. */
export interface Sheet {
  readonly builder: GraphBuilder;
  readonly types: Map<string, ValueType>;
  readonly constants: Map<string, Tensor>;
}

export function finishModel(name: string, { builder }: Sheet): Model {
  const graph = builder.finish();
  if (graph.outputs.length === 0)
    throw new SerinError('MODEL_INVALID', { detail: `${name} has no output`, hint: 'End its definition with nn.output(name, value)' });
  return createModel(graph);
}

/** The words, writing onto a sheet. */
export function createLayers({ builder, types, constants }: Sheet, seed: number): Layers {
  const random = seededRandom(seed).fork('initialise');
  const counts = new Map<string, number>();
  let prefix = '';

  const layerName = (kind: string, given: string | undefined): string => {
    if (given !== undefined) return prefix + given;
    const key = prefix + kind;
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    return `${key}${count}`;
  };
  const valueOf = (valueName: string, { type, dims }: ValueType): Value => ({ name: valueName, type, dims });

  const constant = (tensor: Tensor, constantName?: string): Value => {
    const stored = builder.constant(tensor, constantName);
    types.set(stored, tensor);
    constants.set(stored, tensor);
    return valueOf(stored, tensor);
  };

  const shared = new Map<string, Value>();
  const once = (key: string, make: () => Tensor): Value => {
    const known = shared.get(key) ?? constant(make());
    shared.set(key, known);
    return known;
  };

  const apply = (operator: string, inputs: readonly (Value | undefined)[], attributes: Record<string, Attribute> = {}, wanted?: string): Value => {
    const output = wanted ?? builder.fresh(prefix + operator.toLowerCase());
    const node = { operator, domain: '', name: output, inputs: inputs.map((input) => input?.name ?? ''), outputs: [output], attributes };
    const [type] = inferNode(node, types, constants);
    if (type === undefined) throw new SerinError('MODEL_INVALID', { detail: `${operator} has no output` });
    types.set(output, type);
    builder.append(node);
    return valueOf(output, type);
  };

  const weight = (layer: string, part: string, draw: (random: Random) => Tensor<'float32'>): Value =>
    constant(draw(random.fork(`${layer}.${part}`)), `${layer}.${part}`);
  const longConstant = (values: readonly number[]): Value => once(`int64 ${values.join()}`, () => longs(values));
  const numberConstant = (value: number): Value => once(`float32 ${value}`, () => scalar(value));

  const sizesOf = (operator: string, x: Value): [channels: number, height: number, width: number] => {
    const [, channels, height, width] = x.dims;
    if (x.dims.length !== 4) throw new SerinError('MODEL_INVALID', { detail: `${operator} wants [batch, channels, height, width], found [${x.dims.join()}]` });
    return [channels ?? 0, height ?? 0, width ?? 0];
  };

  const convolve = (kind: string, x: Value, filters: number, options: ConvOptions): Value => {
    const { kernel = 3, stride = 1, dilation = 1, groups = 1, pad = 'same', bias = true, initialiser = heNormal } = options;
    const layer = layerName(kind, options.name);
    const [channels] = sizesOf(layer, x);
    const dims = [filters, channels / groups, kernel, kernel];
    const inputs: Value[] = [x, weight(layer, 'weight', (source) => initialiser(source, dims, (channels / groups) * kernel * kernel))];
    if (bias) inputs.push(weight(layer, 'bias', () => zeros([filters])));
    const margin = pad === 'same' ? Math.floor((dilation * (kernel - 1)) / 2) : pad;
    return apply(
      'Conv',
      inputs,
      {
        kernel_shape: ints([kernel, kernel]),
        strides: ints([stride, stride]),
        dilations: ints([dilation, dilation]),
        pads: ints([margin, margin, margin, margin]),
        group: int(groups),
      },
      layer,
    );
  };

  const pool = (operator: string, x: Value, kernel: number, { stride = kernel, pad = 0 }: PoolOptions = {}): Value =>
    apply(operator, [x], { kernel_shape: ints([kernel, kernel]), strides: ints([stride, stride]), pads: ints([pad, pad, pad, pad]) });

  const nn: Layers = {
    image: (inputName, height, width, channels) => {
      const raw = nn.input(inputName, 'uint8', [height, width, channels]);
      const scaled = nn.multiply(apply('Cast', [raw], castTo('float32')), numberConstant(1 / 255));
      // One channel needs no moving about.
      return channels === 1 ? nn.reshape(scaled, [1, height, width]) : nn.transpose(scaled, [0, 3, 1, 2]);
    },
    input: (inputName, type, dims) => {
      builder.input(inputName, type, ['N', ...dims]);
      types.set(inputName, { type, dims: [probeBatch, ...dims] });
      return valueOf(inputName, { type, dims: [probeBatch, ...dims] });
    },
    output: (outputName, value) => {
      const result = nn.named(outputName, value);
      builder.output(result.name, result.type, ['N', ...result.dims.slice(1)]);
    },
    named: (wanted, value) => {
      if (value.name === wanted) return value;
      return apply('Identity', [value], {}, wanted);
    },

    conv: (x, filters, options = {}) => convolve('conv', x, filters, options),
    depthwise: (x, options = {}) => {
      const [channels] = sizesOf('depthwise', x);
      return convolve('depthwise', x, channels, { ...options, groups: channels });
    },
    convTranspose: (x, filters, { kernel = 2, stride = 2, dilation = 1, bias = true, initialiser = heNormal, name: given } = {}) => {
      const layer = layerName('convTranspose', given);
      const [channels] = sizesOf(layer, x);
      const dims = [channels, filters, kernel, kernel];
      const reach = Math.max(1, Math.round((kernel * kernel) / (stride * stride)));
      const inputs = [x, weight(layer, 'weight', (source) => initialiser(source, dims, channels * reach))];
      if (bias) inputs.push(weight(layer, 'bias', () => zeros([filters])));
      return apply(
        'ConvTranspose',
        inputs,
        { kernel_shape: ints([kernel, kernel]), strides: ints([stride, stride]), dilations: ints([dilation, dilation]) },
        layer,
      );
    },
    dense: (x, units, { bias = true, initialiser = heNormal, name: given } = {}) => {
      const layer = layerName('dense', given);
      const width = x.dims.at(-1) ?? 0;
      if (x.dims.length === 2) {
        const dims = [units, width];
        const inputs = [x, weight(layer, 'weight', (source) => initialiser(source, dims, width))];
        if (bias) inputs.push(weight(layer, 'bias', () => zeros([units])));
        return apply('Gemm', inputs, { transB: int(1) }, layer);
      }
      const dims = [width, units];
      const kernel = weight(layer, 'weight', (source) => initialiser(source, dims, width));
      if (!bias) return apply('MatMul', [x, kernel], {}, layer);
      return apply('Add', [apply('MatMul', [x, kernel]), weight(layer, 'bias', () => zeros([units]))], {}, layer);
    },
    embed: (x, rows, width, given) => {
      const layer = layerName('embed', given);
      const table = weight(layer, 'weight', (source) => glorotUniform(source, [rows, width], width));
      return apply('Gather', [table, x], {}, layer);
    },
    batchNorm: (x, { momentum = 0.9, epsilon = 1e-5, name: given } = {}) => {
      const layer = layerName('batchNorm', given);
      const channels = x.dims[1] ?? 0;
      const scale = weight(layer, 'scale', () => ones([channels]));
      const shift = weight(layer, 'shift', () => zeros([channels]));
      const mean = constant(zeros([channels]), `${layer}.mean`);
      const variance = constant(ones([channels]), `${layer}.variance`);
      return apply('BatchNormalization', [x, scale, shift, mean, variance], { momentum: float(momentum), epsilon: float(epsilon) }, layer);
    },
    layerNorm: (x, { epsilon = 1e-5, name: given } = {}) => {
      const layer = layerName('layerNorm', given);
      const width = x.dims.at(-1) ?? 0;
      const scale = weight(layer, 'scale', () => ones([width]));
      const shift = weight(layer, 'shift', () => zeros([width]));
      return apply('LayerNormalization', [x, scale, shift], { axis: int(-1), epsilon: float(epsilon) }, layer);
    },

    relu: (x) => apply('Relu', [x]),
    leakyRelu: (x, slope = 0.01) => apply('LeakyRelu', [x], { alpha: float(slope) }),
    hardSwish: (x) => apply('HardSwish', [x]),
    gelu: (x) => {
      // x/2 (1 + erf(x / sqrt 2)); the operator of that name came with opset 20.
      const half = nn.multiply(x, numberConstant(0.5));
      const share = apply('Erf', [nn.multiply(x, numberConstant(Math.SQRT1_2))]);
      return nn.multiply(half, nn.add(share, numberConstant(1)));
    },
    sigmoid: (x) => apply('Sigmoid', [x]),
    tanh: (x) => apply('Tanh', [x]),
    softmax: (x) => apply('Softmax', [x], { axis: int(-1) }),
    maxPool: (x, kernel, options) => pool('MaxPool', x, kernel, options),
    averagePool: (x, kernel, options) => pool('AveragePool', x, kernel, options),
    globalAveragePool: (x) => apply('GlobalAveragePool', [x]),
    upsample: (x, factor = 2) => {
      const scales = once(`scales ${factor}`, () => floats([4], [1, 1, factor, factor]));
      return apply('Resize', [x, undefined, scales], {
        coordinate_transformation_mode: text('asymmetric'),
        mode: text('nearest'),
        nearest_mode: text('floor'),
      });
    },
    add: (a, b) => apply('Add', [a, b]),
    subtract: (a, b) => apply('Sub', [a, b]),
    multiply: (a, b) => apply('Mul', [a, b]),
    divide: (a, b) => apply('Div', [a, b]),
    concat: (values, axis = 1) => apply('Concat', values, { axis: int(axis) }),
    flatten: (x) => apply('Flatten', [x], { axis: int(1) }),
    reshape: (x, dims) => {
      if (elementCount(dims) !== elementCount(x.dims.slice(1))) {
        throw new SerinError('MODEL_INVALID', { detail: `a value of [batch, ${x.dims.slice(1).join()}] cannot be reshaped to [batch, ${dims.join()}]` });
      }
      return apply('Reshape', [x, longConstant([0, ...dims])]);
    },
    transpose: (x, order) => apply('Transpose', [x], { perm: ints(order) }),
    constant,
    number: numberConstant,
    apply: (operator, inputs, attributes) => apply(operator, inputs, attributes),
    scope: (scopeName, inside) => {
      const outer = prefix;
      prefix = `${outer}${scopeName}/`;
      try {
        return inside();
      } finally {
        prefix = outer;
      }
    },
  };

  return nn;
}

const learns = /\.(weight|bias|scale|shift)$/;

/** The weights that layers made, in the order of the definition. */
export const learningWeights = (model: Model): string[] => [...model.graph.initialisers.keys()].filter((name) => learns.test(name));
