import { elementCount, float, floats, int, numberAttribute } from '../../onnx/graph.ts';
import { axisOf, range, unsupported } from '../../onnx/shape-rules/rule.ts';
import { castTo, type Tape } from '../tape.ts';
import { reshapeLike, sumTo, type GradientContext, type GradientRule } from './rule.ts';

const times = (tape: Tape, value: string, factor: number): string => tape.add('Mul', [value, tape.number(factor, value)]);
const sumOver = (tape: Tape, value: string, axes: readonly number[]): string => tape.add('ReduceSum', [value, tape.longs(axes)], { keepdims: int(0) });
const meanOver = (tape: Tape, value: string, axis: number): string => {
  const { dims } = tape.type(value);
  const axes = range(dims.length).slice(axis);
  const sum = tape.add('ReduceSum', [value, tape.longs(axes)], { keepdims: int(1) });
  return times(tape, sum, 1 / elementCount(dims.slice(axis)));
};

/** A vector of equal numbers, of the type of `like`. */
function vector(tape: Tape, dims: readonly number[], number: number, like: string): string {
  const tensor = floats(dims, new Float32Array(elementCount(dims)).fill(number));
  return tape.constant(tape.type(like).type === 'float64' ? { type: 'float64', dims, data: Float64Array.from(tensor.data) } : tensor);
}

const epsilonOf = ({ node }: GradientContext): number => numberAttribute(node, 'epsilon', 1e-5);

/** Values with mean 0 and variance 1 over the axes from `axis` on, and what they were divided by, inverted: one node. */
function standardise(tape: Tape, value: string, axis: number, epsilon: number): { standard: string; inverse: string } {
  const ones = vector(tape, tape.type(value).dims.slice(axis), 1, value);
  const [standard = '', , inverse = ''] = tape.addMany('LayerNormalization', [value, ones], { axis: int(axis), epsilon: float(epsilon) }, 3);
  const { type } = tape.type(value);
  return { standard, inverse: tape.type(inverse).type === type ? inverse : tape.add('Cast', [inverse], castTo(type)) };
}

/** Gradient of the standardised values, taken back to the values themselves. */
function standardiseBack(tape: Tape, gradient: string, axis: number, standard: string, inverse: string): string {
  const along = tape.add('Mul', [standard, meanOver(tape, tape.add('Mul', [gradient, standard]), axis)]);
  const centred = tape.add('Sub', [tape.add('Sub', [gradient, meanOver(tape, gradient, axis)]), along]);
  return tape.add('Mul', [centred, inverse]);
}

const layerNormalization: GradientRule = (context) => {
  const { tape, node, gradients, gradient, input, needs } = context;
  if (gradients.slice(1).some((other) => other !== undefined)) throw unsupported(node, 'a loss of its outputs Mean and InvStdDev');
  const axis = axisOf(node, numberAttribute(node, 'axis', -1), tape.type(input(0)).dims.length);
  const { standard, inverse } = standardise(tape, input(0), axis, epsilonOf(context));
  return [
    needs(0) ? standardiseBack(tape, tape.add('Mul', [gradient, input(1)]), axis, standard, inverse) : undefined,
    needs(1) ? sumTo(tape, tape.add('Mul', [gradient, standard]), input(1)) : undefined,
    needs(2) ? sumTo(tape, gradient, input(2)) : undefined,
  ];
};

/** Each of `groups` parts of the channels of each example is standardised by itself; scale and bias are a channel each. */
const groupedNormalization =
  (groupsOf: (context: GradientContext, channels: number) => number): GradientRule =>
  (context) => {
    const { tape, node, gradient, input, needs } = context;
    const { dims } = tape.type(input(0));
    const [batch = 1, channels = 1, ...spatial] = dims;
    const groups = groupsOf(context, channels);
    if (tape.type(input(1)).dims[0] !== channels) throw unsupported(node, 'a scale for each group', 'Export it at opset 21, with a scale for each channel');
    const flat = tape.longs([batch * groups, elementCount(dims) / (batch * groups)]);
    const { standard, inverse } = standardise(tape, tape.add('Reshape', [input(0), flat]), 1, epsilonOf(context));
    const others = range(dims.length).filter((axis) => axis !== 1);
    const scale = (): string => tape.add('Reshape', [input(1), tape.longs([channels, ...spatial.map(() => 1)])]);
    const back = (): string => standardiseBack(tape, tape.add('Reshape', [tape.add('Mul', [gradient, scale()]), flat]), 1, standard, inverse);
    return [
      needs(0) ? reshapeLike(tape, back(), input(0)) : undefined,
      needs(1) ? sumOver(tape, tape.add('Mul', [gradient, reshapeLike(tape, standard, input(0))]), others) : undefined,
      needs(2) ? sumOver(tape, gradient, others) : undefined,
    ];
  };

/** What both forms of batch normalisation share: the input standardised by statistics, and the sums over all but the channels. */
function channelwise(context: GradientContext, mean: string, variance: string) {
  const { tape, gradient, input } = context;
  const { dims } = tape.type(input(0));
  const [, channels = 1, ...spatial] = dims;
  const others = range(dims.length).filter((axis) => axis !== 1);
  const epsilon = { epsilon: float(epsilonOf(context)) };
  const affine = (value: string, scale: string, shift: string): string => tape.add('BatchNormalization', [value, scale, shift, mean, variance], epsilon);
  const plain = (number: number): string => vector(tape, [channels], number, input(1));
  const spread = tape.add('Sqrt', [tape.add('Add', [variance, tape.number(epsilonOf(context), variance)])]);
  return {
    count: elementCount(dims) / channels,
    affine,
    /** Factor of each channel. */
    factor: tape.add('Div', [input(1), spread]),
    spread,
    /** A number a channel in a shape that broadcasts over the input. */
    shaped: (value: string): string => tape.add('Reshape', [value, tape.longs([channels, ...spatial.map(() => 1)])]),
    biasGradient: (): string => sumOver(tape, gradient, others),
    scaleGradient: (): string => sumOver(tape, tape.add('Mul', [gradient, affine(input(0), plain(1), plain(0))]), others),
  };
}

/** With given statistics: a factor and a shift of each channel. */
function frozenBatchNormalization(context: GradientContext): (string | undefined)[] {
  const { tape, gradient, input, needs } = context;
  const { factor, spread, shaped, biasGradient, scaleGradient } = channelwise(context, input(3), input(4));
  const bias = needs(2) || needs(3) ? biasGradient() : '';
  const scale = needs(1) || needs(4) ? scaleGradient() : '';
  const varianceGradient = (): string => {
    const slope = tape.add('Div', [tape.add('Mul', [scale, factor]), spread]);
    return times(tape, slope, -0.5);
  };
  return [
    needs(0) ? tape.add('Mul', [gradient, shaped(factor)]) : undefined,
    needs(1) ? scale : undefined,
    needs(2) ? bias : undefined,
    needs(3) ? tape.add('Neg', [tape.add('Mul', [bias, factor])]) : undefined,
    needs(4) ? varianceGradient() : undefined,
  ];
}

/**
 * With statistics of the batch itself. The gradient of the input is that of fixed statistics less its own mean and its
 * component along the standardised input; both are one affine map of the input, which the operator itself computes.
 */
function trainedBatchNormalization(context: GradientContext): (string | undefined)[] {
  const { tape, gradients, node, gradient, outputs, input, needs } = context;
  if (gradients.slice(1).some((other) => other !== undefined)) throw unsupported(node, 'a loss of its running statistics');
  // With momentum the second and third output mix the statistics of the batch, which are needed here, with older ones.
  const [, mean = '', variance = ''] = outputs;
  if (numberAttribute(node, 'momentum', 0.9) !== 0)
    throw unsupported(node, 'training_mode 1', 'Export the model for inference; training normalises by batches itself');
  const { count, affine, factor, shaped, biasGradient, scaleGradient } = channelwise(context, mean, variance);
  const bias = needs(0) || needs(2) ? biasGradient() : '';
  const scale = needs(0) || needs(1) ? scaleGradient() : '';
  const inputGradient = (): string => {
    const share = times(tape, factor, -1 / count);
    const statistics = affine(input(0), tape.add('Mul', [share, scale]), tape.add('Mul', [share, bias]));
    return tape.add('Add', [tape.add('Mul', [gradient, shaped(factor)]), statistics]);
  };
  return [needs(0) ? inputGradient() : undefined, needs(1) ? scale : undefined, needs(2) ? bias : undefined];
}

export const normaliseGradients: Readonly<Record<string, GradientRule>> = {
  BatchNormalization: (context) =>
    numberAttribute(context.node, 'training_mode', 0) === 1 ? trainedBatchNormalization(context) : frozenBatchNormalization(context),
  LayerNormalization: layerNormalization,
  InstanceNormalization: groupedNormalization((_, channels) => channels),
  GroupNormalization: groupedNormalization(({ node }) => numberAttribute(node, 'num_groups', 1)),
};
