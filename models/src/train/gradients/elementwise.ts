import { SerinError } from '@serin/protocol/errors';

import { numberAttribute } from '../../onnx/graph.ts';
import { castTo, type Tape } from '../tape.ts';
import { noSlope, scaled, square, sumTo, type GradientContext, type GradientRule } from './rule.ts';

const binary =
  (left: (context: GradientContext) => string, right: (context: GradientContext) => string): GradientRule =>
  (context) => [
    context.needs(0) ? sumTo(context.tape, left(context), context.input(0)) : undefined,
    context.needs(1) ? sumTo(context.tape, right(context), context.input(1)) : undefined,
  ];

/** The gradient times a factor. */
const times =
  (factor: (context: GradientContext) => string): GradientRule =>
  (context) => [context.tape.add('Mul', [context.gradient, factor(context)])];

const negated = ({ tape, gradient }: GradientContext): string => tape.add('Neg', [gradient]);

const onePlusSquare = (tape: Tape, value: string): string => tape.add('Add', [square(tape, value), tape.number(1, value)]);

const power: GradientRule = (context) => {
  const { tape, gradient, output, input, needs } = context;
  const base = input(0);
  const ofBase = (): string => {
    const exponent = tape.constantValue(input(1));
    if (exponent?.data.length === 1) {
      const value = Number(exponent.data[0]);
      const rest = value === 2 ? base : value === 1 ? undefined : tape.add('Pow', [base, tape.number(value - 1, base)]);
      return rest === undefined ? gradient : tape.add('Mul', [gradient, scaled(tape, rest, value)]);
    }
    const wanted = tape.type(base).type;
    const cast = tape.type(input(1)).type === wanted ? input(1) : tape.add('Cast', [input(1)], castTo(wanted));
    const lower = tape.add('Pow', [base, tape.add('Sub', [cast, tape.number(1, base)])]);
    return tape.add('Mul', [gradient, tape.add('Mul', [cast, lower])]);
  };
  // Of bases that are not positive the logarithm is no number: they leave the exponent alone.
  const ofExponent = (): string => {
    const isPositive = tape.add('Greater', [base, tape.number(0, base)]);
    const logarithm = tape.add('Log', [tape.add('Where', [isPositive, base, tape.number(1, base)])]);
    return tape.add('Mul', [gradient, tape.add('Mul', [output, logarithm])]);
  };
  return [needs(0) ? sumTo(tape, ofBase(), base) : undefined, needs(1) ? sumTo(tape, ofExponent(), input(1)) : undefined];
};

/** Where the gradient goes through and 0 elsewhere. */
const through = ({ tape, gradient }: GradientContext, mask: string): string => tape.add('Where', [mask, gradient, tape.number(0, gradient)]);

/** The first of equal inputs takes the gradient. */
const extreme: GradientRule = (context) => {
  const { tape, node, output, input, needs } = context;
  if (node.inputs.length === 1) return [context.gradient];
  const isWhole = (index: number): boolean => needs(index) && tape.type(input(index)).dims.join() === tape.type(output).dims.join();
  if (node.inputs.length === 2 && isWhole(0) && isWhole(1)) {
    // What does not go to the first goes to the second: one choice less.
    const first = through(context, tape.add('Equal', [input(0), output]));
    return [first, tape.add('Sub', [context.gradient, first])];
  }
  let taken: string | undefined;
  return node.inputs.map((name, index) => {
    const reached = tape.add('Equal', [input(index), output]);
    const mask = taken === undefined ? reached : tape.add('And', [reached, tape.add('Not', [taken])]);
    taken = taken === undefined ? reached : tape.add('Or', [taken, reached]);
    return needs(index) ? sumTo(tape, through(context, mask), name) : undefined;
  });
};

/** Open strictly between the bounds: at a bound the slope is 0, as that of Relu at 0. */
const clip: GradientRule = (context) => {
  const { tape, gradient, output, input, needs } = context;
  const [lowest, highest] = [input(1), input(2)];
  // The runtime compares no bytes.
  const wide = (value: string): string => (tape.type(value).type.endsWith('int8') ? tape.add('Cast', [value], castTo('float32')) : value);
  const above = lowest === '' ? undefined : tape.add('Greater', [wide(output), wide(lowest)]);
  const below = highest === '' ? undefined : tape.add('Less', [wide(output), wide(highest)]);
  const inside = above !== undefined && below !== undefined ? tape.add('And', [above, below]) : (above ?? below);
  const closed = (open: string | undefined, bound: string): string | undefined =>
    open === undefined ? undefined : sumTo(tape, tape.add('Where', [open, tape.number(0, gradient), gradient]), bound);
  return [
    needs(0) ? (inside === undefined ? gradient : through(context, inside)) : undefined,
    needs(1) ? closed(above, lowest) : undefined,
    needs(2) ? closed(below, highest) : undefined,
  ];
};

const where: GradientRule = ({ tape, gradient, input, needs }) => {
  const none = tape.number(0, gradient);
  return [
    undefined,
    needs(1) ? sumTo(tape, tape.add('Where', [input(0), gradient, none]), input(1)) : undefined,
    needs(2) ? sumTo(tape, tape.add('Where', [input(0), none, gradient]), input(2)) : undefined,
  ];
};

const average: GradientRule = ({ tape, node, gradient, needs }) => {
  const share = scaled(tape, gradient, 1 / node.inputs.length);
  return node.inputs.map((name, index) => (needs(index) ? sumTo(tape, share, name) : undefined));
};

const cast: GradientRule = ({ tape, gradient, input }) => [tape.add('Cast', [gradient], castTo(tape.type(input(0)).type)), undefined];

const dropout: GradientRule = ({ tape, node, gradient, input }) => {
  const training = input(2) === '' ? 0 : Number(tape.constantValue(input(2))?.data[0] ?? 1);
  if (training !== 0) {
    throw new SerinError('MODEL_UNSUPPORTED', {
      detail: `Dropout ${node.name} that drops while it serves: its draws cannot be repeated`,
      hint: 'Export the model for inference',
    });
  }
  return [gradient];
};

/** Of the remainder that follows the sign of the dividend (fmod); the divisor counts how often it fits. */
const remainder: GradientRule = (context) => {
  const { tape, node, gradient, input, needs } = context;
  if (numberAttribute(node, 'fmod', 0) !== 1 || needs(1)) {
    throw new SerinError('MODEL_UNSUPPORTED', { detail: `the gradient of the divisor of Mod ${node.name}`, hint: 'Export the model without it' });
  }
  return [sumTo(tape, gradient, input(0))];
};

export const elementwiseGradients: Readonly<Record<string, GradientRule>> = {
  Add: binary(
    ({ gradient }) => gradient,
    ({ gradient }) => gradient,
  ),
  Sub: binary(({ gradient }) => gradient, negated),
  Mul: binary(
    ({ tape, gradient, input }) => tape.add('Mul', [gradient, input(1)]),
    ({ tape, gradient, input }) => tape.add('Mul', [gradient, input(0)]),
  ),
  Div: binary(
    ({ tape, gradient, input }) => tape.add('Div', [gradient, input(1)]),
    (context) => {
      const { tape, output, input } = context;
      return tape.add('Div', [tape.add('Mul', [negated(context), output]), input(1)]);
    },
  ),
  Mod: remainder,
  Pow: power,
  Sum: ({ tape, node, gradient, needs }) => node.inputs.map((name, index) => (needs(index) ? sumTo(tape, gradient, name) : undefined)),
  Mean: average,
  Min: extreme,
  Max: extreme,
  Clip: clip,
  Where: where,
  Neg: (context) => [negated(context)],
  // 0 at 0.
  Abs: times(({ tape, input }) => tape.add('Sign', [input(0)])),
  Reciprocal: (context) => [context.tape.add('Mul', [negated(context), square(context.tape, context.output)])],
  Exp: times(({ output }) => output),
  Log: ({ tape, gradient, input }) => [tape.add('Div', [gradient, input(0)])],
  Sqrt: ({ tape, gradient, output }) => [tape.add('Div', [scaled(tape, gradient, 0.5), output])],
  Sin: times(({ tape, input }) => tape.add('Cos', [input(0)])),
  Cos: (context) => [context.tape.add('Mul', [negated(context), context.tape.add('Sin', [context.input(0)])])],
  Tan: times(({ tape, output }) => onePlusSquare(tape, output)),
  Atan: ({ tape, gradient, input }) => [tape.add('Div', [gradient, onePlusSquare(tape, input(0))])],
  Identity: ({ gradient }) => [gradient],
  Cast: cast,
  CastLike: cast,
  Dropout: dropout,
  Floor: noSlope,
  Ceil: noSlope,
  Round: noSlope,
  Sign: noSlope,
};
