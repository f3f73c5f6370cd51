import { numberAttribute, textAttribute } from '../../onnx/graph.ts';
import type { Tape } from '../tape.ts';
import { noSlope, scaled, square, sumTo, type GradientContext, type GradientRule } from './rule.ts';

/** Gradients come from the output where they can: the input need not be kept until then. */
const times =
  (slope: (context: GradientContext) => string): GradientRule =>
  (context) => [context.tape.add('Mul', [context.gradient, slope(context)])];

const isAbove = (tape: Tape, value: string, bound: number): string => tape.add('Greater', [value, tape.number(bound, value)]);

const shifted = (tape: Tape, value: string, by: number): string => (by === 0 ? value : tape.add('Add', [value, tape.number(by, value)]));

const oneMinus = (tape: Tape, value: string): string => tape.add('Sub', [tape.number(1, value), value]);

/** Slope 1 (or `right`) above 0; at 0 and below what `left` says. */
const bent =
  (left: (context: GradientContext) => string, right: (context: GradientContext) => number = () => 1): GradientRule =>
  (context) => {
    const { tape, gradient, input } = context;
    return [tape.add('Where', [isAbove(tape, input(0), 0), scaled(tape, gradient, right(context)), tape.add('Mul', [gradient, left(context)])])];
  };

const relu: GradientRule = ({ tape, gradient, output }) => [tape.add('Where', [isAbove(tape, output, 0), gradient, tape.number(0, output)])];

const leakyRelu: GradientRule = ({ tape, node, gradient, input, output }) => {
  const alpha = numberAttribute(node, 'alpha', 0.01);
  const deciding = alpha >= 0 ? output : input(0);
  return [tape.add('Where', [isAbove(tape, deciding, 0), gradient, scaled(tape, gradient, alpha)])];
};

const parametricRelu: GradientRule = ({ tape, gradient, input, needs }) => {
  const open = isAbove(tape, input(0), 0);
  const none = tape.number(0, gradient);
  return [
    needs(0) ? tape.add('Where', [open, gradient, tape.add('Mul', [gradient, input(1)])]) : undefined,
    needs(1) ? sumTo(tape, tape.add('Where', [open, none, tape.add('Mul', [gradient, input(0)])]), input(1)) : undefined,
  ];
};

const seluOf = (context: GradientContext): { alpha: number; gamma: number } => ({
  alpha: numberAttribute(context.node, 'alpha', 1.67326319217681884765625),
  gamma: numberAttribute(context.node, 'gamma', 1.05070102214813232421875),
});

/** Open where the line runs, closed (slope 0) at both ends and beyond. */
const hardSigmoid: GradientRule = ({ tape, node, gradient, output }) => {
  const inside = tape.add('And', [isAbove(tape, output, 0), tape.add('Less', [output, tape.number(1, output)])]);
  return [tape.add('Where', [inside, scaled(tape, gradient, numberAttribute(node, 'alpha', 0.2)), tape.number(0, gradient)])];
};

/** x times a line cut to 0..1 around -3..3: slope 0 up to -3, 1 from 3 on. */
const hardSwish: GradientRule = ({ tape, gradient, input }) => {
  const x = input(0);
  const middle = shifted(tape, scaled(tape, x, 1 / 3), 0.5);
  const upTo = tape.add('Where', [tape.add('Less', [x, tape.number(3, x)]), middle, tape.number(1, x)]);
  return [tape.add('Where', [isAbove(tape, x, -3), tape.add('Mul', [gradient, upTo]), tape.number(0, x)])];
};

const gelu = (context: GradientContext): string => {
  const { tape, node, input } = context;
  const x = input(0);
  if (textAttribute(node, 'approximate', 'none') === 'tanh') {
    // With t = tanh(u), u = sqrt(2 / pi) (x + 0.044715 x^3): (1 + t) / 2 + x (1 - t^2) u' / 2.
    const root = Math.sqrt(2 / Math.PI);
    const squared = square(tape, x);
    const t = tape.add('Tanh', [tape.add('Mul', [x, shifted(tape, scaled(tape, squared, root * 0.044715), root)])]);
    const inner = tape.add('Mul', [x, shifted(tape, scaled(tape, squared, root * 0.044715 * 3), root)]);
    const sum = tape.add('Add', [shifted(tape, t, 1), tape.add('Mul', [inner, oneMinus(tape, square(tape, t))])]);
    return scaled(tape, sum, 0.5);
  }
  // The distribution function of the normal plus x times its density.
  const distribution = scaled(tape, shifted(tape, tape.add('Erf', [scaled(tape, x, Math.SQRT1_2)]), 1), 0.5);
  const density = scaled(tape, tape.add('Exp', [scaled(tape, square(tape, x), -0.5)]), 1 / Math.sqrt(2 * Math.PI));
  return tape.add('Add', [distribution, tape.add('Mul', [x, density])]);
};

/** x tanh(s) with s = softplus(x), whose slope is the sigmoid. */
const mish = ({ tape, input }: GradientContext): string => {
  const x = input(0);
  const t = tape.add('Tanh', [tape.add('Softplus', [x])]);
  const rest = tape.add('Mul', [tape.add('Mul', [x, tape.add('Sigmoid', [x])]), oneMinus(tape, square(tape, t))]);
  return tape.add('Add', [t, rest]);
};

export const activationGradients: Readonly<Record<string, GradientRule>> = {
  // 0 at 0.
  Relu: relu,
  LeakyRelu: leakyRelu,
  PRelu: parametricRelu,
  ThresholdedRelu: ({ tape, node, gradient, input }) => [
    tape.add('Where', [isAbove(tape, input(0), numberAttribute(node, 'alpha', 1)), gradient, tape.number(0, gradient)]),
  ],
  Elu: bent(({ tape, node, output }) => shifted(tape, output, numberAttribute(node, 'alpha', 1))),
  Selu: bent(
    (context) => shifted(context.tape, context.output, seluOf(context).alpha * seluOf(context).gamma),
    (context) => seluOf(context).gamma,
  ),
  Celu: bent(({ tape, node, output }) => shifted(tape, scaled(tape, output, 1 / numberAttribute(node, 'alpha', 1)), 1)),
  Sigmoid: times(({ tape, output }) => tape.add('Mul', [output, oneMinus(tape, output)])),
  Tanh: times(({ tape, output }) => oneMinus(tape, square(tape, output))),
  Softplus: times(({ tape, input }) => tape.add('Sigmoid', [input(0)])),
  Softsign: times(({ tape, output }) => square(tape, oneMinus(tape, tape.add('Abs', [output])))),
  HardSigmoid: hardSigmoid,
  HardSwish: hardSwish,
  Gelu: times(gelu),
  Mish: times(mish),
  Erf: times(({ tape, input }) => scaled(tape, tape.add('Exp', [tape.add('Neg', [square(tape, input(0))])]), 2 / Math.sqrt(Math.PI))),
  Hardmax: noSlope,
};
