import { castTo } from '../tape.ts';
import { sumTo, type GradientContext, type GradientRule } from './rule.ts';

const binary =
  (left: (context: GradientContext) => string, right: (context: GradientContext) => string): GradientRule =>
  (context) => [
    context.needs(0) ? sumTo(context.tape, left(context), context.input(0)) : undefined,
    context.needs(1) ? sumTo(context.tape, right(context), context.input(1)) : undefined,
  ];

const negated = ({ tape, gradient }: GradientContext): string => tape.add('Neg', [gradient]);

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
  Neg: (context) => [negated(context)],
  Exp: ({ tape, gradient, output }) => [tape.add('Mul', [gradient, output])],
  Log: ({ tape, gradient, input }) => [tape.add('Div', [gradient, input(0)])],
  Sqrt: ({ tape, gradient, output }) => [tape.add('Div', [tape.add('Mul', [gradient, tape.number(0.5, gradient)]), output])],
  Relu: ({ tape, gradient, output }) => {
    const open = tape.add('Greater', [output, tape.number(0, output)]);
    return [tape.add('Where', [open, gradient, tape.number(0, output)])];
  },
  Sigmoid: ({ tape, gradient, output }) => {
    const rest = tape.add('Sub', [tape.number(1, output), output]);
    return [tape.add('Mul', [gradient, tape.add('Mul', [output, rest])])];
  },
  Tanh: ({ tape, gradient, output }) => {
    const rest = tape.add('Sub', [tape.number(1, output), tape.add('Mul', [output, output])]);
    return [tape.add('Mul', [gradient, rest])];
  },
  Identity: ({ gradient }) => [gradient],
  Cast: ({ tape, gradient, input }) => [tape.add('Cast', [gradient], castTo(tape.type(input(0)).type))],
};
