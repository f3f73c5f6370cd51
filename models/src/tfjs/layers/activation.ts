import { float, int } from '../../onnx/graph.ts';
import { field, isObject, plainName, quote, unsupported, type Config } from '../config.ts';
import { elementwise, input, number, permuted, type LayerContext, type LayerKind, type LayerRule } from '../layer.ts';
import { orderOf, placeOf, type Layout, type Value } from '../values.ts';

/** Works on a value by its name; `axis` is where the last dimension of tfjs lies. */
type Act = (context: LayerContext, x: string, axis: number) => string;

const node =
  (operator: string, attributes = {}): Act =>
  ({ add }, x) =>
    add(operator, [x], attributes);

const clipped = (context: LayerContext, x: string, highest: number): string => context.add('Clip', [x, number(context, 0), number(context, highest)]);

const gelu: Act = (context, x) => {
  const { add } = context;
  const bell = add('Add', [add('Erf', [add('Div', [x, number(context, Math.SQRT2)])]), number(context, 1)]);
  return add('Mul', [add('Mul', [x, bell]), number(context, 0.5)]);
};

const geluByTanh: Act = (context, x) => {
  const { add } = context;
  const cube = add('Mul', [add('Mul', [x, x]), x]);
  const inner = add('Add', [x, add('Mul', [cube, number(context, 0.044715)])]);
  const bell = add('Add', [add('Tanh', [add('Mul', [inner, number(context, Math.sqrt(2 / Math.PI))])]), number(context, 1)]);
  return add('Mul', [add('Mul', [x, bell]), number(context, 0.5)]);
};

const activations: Readonly<Record<string, Act>> = {
  linear: (_, x) => x,
  relu: node('Relu'),
  relu6: (context, x) => clipped(context, x, 6),
  elu: node('Elu'),
  selu: node('Selu'),
  sigmoid: node('Sigmoid'),
  hardSigmoid: node('HardSigmoid', { alpha: float(0.2), beta: float(0.5) }),
  tanh: node('Tanh'),
  softplus: node('Softplus'),
  softsign: node('Softsign'),
  softmax: ({ add }, x, axis) => add('Softmax', [x], { axis: int(axis) }),
  logSoftmax: ({ add }, x, axis) => add('LogSoftmax', [x], { axis: int(axis) }),
  swish: ({ add }, x) => add('Mul', [x, add('Sigmoid', [x])]),
  gelu,
  gelu_new: geluByTanh,
  mish: ({ add }, x) => add('Mul', [x, add('Tanh', [add('Softplus', [x])])]),
};

export const activationNames: readonly string[] = Object.keys(activations);

/** The name of an activation as `activationNames` has it. */
export function readActivationName(config: Config, key = 'activation', otherwise = 'linear'): string {
  const given = config.raw(key) ?? otherwise;
  // Keras writes some as an object with a class.
  const name = isObject(given) && Object.keys((field(given, 'config') ?? {}) as object).length === 0 ? field(given, 'class_name') : given;
  const found = typeof name === 'string' ? activationNames.find((each) => plainName(each) === plainName(name)) : undefined;
  if (found === undefined) throw unsupported(`${config.title}: the activation ${quote(JSON.stringify(given))}`, `Use one of ${activationNames.join(', ')}`);
  return found;
}

/** What a layer does last. */
export function readActivation(config: Config): (context: LayerContext, value: Value) => Value {
  const name = readActivationName(config);
  const act = activations[name] as Act;
  if (name === 'linear') return (_, value) => value;
  return (context, value) => {
    const rank = value.dims.length;
    return elementwise(context, value, (x, layout) => act(context, x, placeOf(layout, rank - 1, rank)));
  };
}

export const activate = (context: LayerContext, name: string, x: string, axis: number): string => (activations[name] as Act)(context, x, axis);

const activation: LayerRule = (config) => {
  const act = readActivation(config);
  return (context) => [act(context, input(context))];
};

const relu: LayerRule = (config) => {
  for (const key of ['negative_slope', 'threshold']) config.only(key, [0], 'tfjs does not heed it either: use LeakyReLU or ThresholdedReLU');
  const highest = config.raw('max_value') === undefined ? undefined : config.number('max_value');
  return (context) => [elementwise(context, input(context), (x) => (highest === undefined ? context.add('Relu', [x]) : clipped(context, x, highest)))];
};

const oneNumber =
  (operator: string, key: string, otherwise: number): LayerRule =>
  (config) => {
    const alpha = config.number(key, otherwise);
    return (context) => [elementwise(context, input(context), (x) => context.add(operator, [x], { alpha: float(alpha) }))];
  };

/** The slopes lie as the value does. */
const slopesFor = (context: LayerContext, dims: readonly number[], layout: Layout): string =>
  context.store(layout === 'plain' ? 'alpha' : `alpha.${layout}`, () => {
    const whole = { ...context.weight('alpha', dims), dims: [1, ...dims] };
    return permuted(whole, orderOf(layout, whole.dims.length));
  });

const parametricRelu: LayerRule = (config) => {
  const given = config.raw('shared_axes');
  const shared: readonly unknown[] = Array.isArray(given) ? given : given === undefined ? [] : [given];
  return (context) => {
    const value = input(context);
    const dims = value.dims.slice(1).map((dim, index) => (shared.includes(index + 1) ? 1 : dim));
    if (dims.some((dim) => dim === null))
      throw unsupported(`${context.title}: a slope for each place of an input of open size`, 'Share its slopes over the open axes (sharedAxes)');
    return [elementwise(context, value, (x, layout) => context.add('PRelu', [x, slopesFor(context, dims as number[], layout)]))];
  };
};

/** Its axis is 1 unless it says otherwise: so in tfjs. */
const softmax: LayerRule = (config) => {
  const given = config.raw('axis');
  const axis = Array.isArray(given) && given.length === 1 ? given[0] : (given ?? 1);
  return (context) => {
    const value = input(context);
    const rank = value.dims.length;
    if (axis !== -1 && axis !== rank - 1)
      throw unsupported(`${context.title}: axis ${quote(JSON.stringify(axis))} of ${rank}`, 'tfjs takes the last axis only');
    return [elementwise(context, value, (x, layout) => context.add('Softmax', [x], { axis: int(placeOf(layout, rank - 1, rank)) }))];
  };
};

const rescaling: LayerRule = (config) => {
  const [scale, offset] = [config.number('scale'), config.number('offset', 0)];
  return (context) => [
    elementwise(context, input(context), (x) => {
      const scaled = context.add('Mul', [x, number(context, scale)]);
      return offset === 0 ? scaled : context.add('Add', [scaled, number(context, offset)]);
    }),
  ];
};

/** What only training changes. */
const identity: LayerRule = () => (context) => [input(context)];

export const activationLayers: Readonly<Record<string, LayerKind>> = {
  Activation: { rule: activation, masks: 'carries' },
  ReLU: { rule: relu, masks: 'carries' },
  LeakyReLU: { rule: oneNumber('LeakyRelu', 'alpha', 0.3) },
  PReLU: { rule: parametricRelu, masks: 'carries' },
  ELU: { rule: oneNumber('Elu', 'alpha', 1) },
  ThresholdedReLU: { rule: oneNumber('ThresholdedRelu', 'theta', 1) },
  Softmax: { rule: softmax },
  Rescaling: { rule: rescaling },
  Dropout: { rule: identity, masks: 'carries', takesIntegers: true },
  SpatialDropout1D: { rule: identity, masks: 'carries', takesIntegers: true },
  GaussianNoise: { rule: identity, masks: 'carries' },
  GaussianDropout: { rule: identity, masks: 'carries' },
  AlphaDropout: { rule: identity, masks: 'carries' },
};
