import { float, type Node } from '../../onnx/graph.ts';
import { nodeOf, type RewriteRule, type Surroundings } from './rewriter.ts';

/** What exporters round 1/6 to. */
const tolerance = 1e-4;

interface Ramp {
  readonly input: string;
  readonly alpha: number;
  readonly beta: number;
  /** The largest it gets. */
  readonly top: number;
}

/** `Clip(x + b, 0, top)`, which is `top` times a hard sigmoid. */
function rampOf(name: string, around: Surroundings): Ramp | undefined {
  const clip = around.sole(name, 'Clip');
  if (clip === undefined) return undefined;
  const [sum = '', low = '', high = ''] = clip.inputs;
  const top = around.number(high);
  const add = around.sole(sum, 'Add');
  if (add === undefined || around.number(low) !== 0 || top === undefined || !(top > 0)) return undefined;
  const side = add.inputs.findIndex((each) => around.number(each) !== undefined);
  const input = add.inputs[1 - side] ?? '';
  const [rank, other] = [around.type(input)?.dims.length, around.constant(add.inputs[side] ?? '')?.dims.length ?? 0];
  if (side < 0 || rank === undefined || other > rank || around.type(input)?.type !== 'float32') return undefined;
  return { input, top, alpha: 1 / top, beta: (around.number(add.inputs[side] ?? '') as number) / top };
}

const hardSigmoid = ({ input, alpha, beta }: Ramp, output: string): Node => nodeOf('HardSigmoid', [input], output, { alpha: float(alpha), beta: float(beta) });

/** The factor and the other side of a product with one number. */
function factored(node: Node, around: Surroundings): { factor: number; other: string } | undefined {
  const side = node.inputs.findIndex((name) => around.number(name) !== undefined && (around.constant(name)?.dims.length ?? 9) <= 4);
  return side < 0 ? undefined : { factor: around.number(node.inputs[side] ?? '') as number, other: node.inputs[1 - side] ?? '' };
}

const isWhole = (ramp: Ramp, factor: number): boolean => Math.abs(ramp.top * factor - 1) < tolerance;

/** `x * relu6(x + 3) / 6`, in whichever order. */
export const hardSwish: RewriteRule = {
  words: 'spelt-out hard swish became HardSigmoid and a product',
  operators: ['Mul'],
  apply: (node, around) => {
    const output = node.outputs[0] ?? '';
    const outer = factored(node, around);
    if (outer !== undefined) {
      const alone = rampOf(outer.other, around);
      if (alone !== undefined) return isWhole(alone, outer.factor) ? [hardSigmoid(alone, output)] : undefined;
      const product = around.sole(outer.other, 'Mul');
      const side = product === undefined ? -1 : product.inputs.findIndex((name) => rampOf(name, around) !== undefined);
      const ramp = side < 0 ? undefined : rampOf(product?.inputs[side] ?? '', around);
      if (ramp === undefined || !isWhole(ramp, outer.factor)) return undefined;
      const gate = around.fresh(`${output}.gate`);
      return [hardSigmoid(ramp, gate), { ...node, inputs: [product?.inputs[1 - side] ?? '', gate] }];
    }
    for (const side of [0, 1]) {
      const ramp = rampOf(node.inputs[side] ?? '', around);
      const scaled = around.sole(node.inputs[1 - side] ?? '', 'Mul');
      const inner = scaled === undefined ? undefined : factored(scaled, around);
      if (ramp === undefined || inner === undefined || !isWhole(ramp, inner.factor)) continue;
      const gate = around.fresh(`${output}.gate`);
      return [hardSigmoid(ramp, gate), { ...node, inputs: [inner.other, gate] }];
    }
    return undefined;
  },
};

export const hardSwishOperator: RewriteRule = {
  words: 'HardSwish became HardSigmoid and a product',
  operators: ['HardSwish'],
  apply: (node, around) => {
    const [input = ''] = node.inputs;
    const gate = around.fresh(`${node.outputs[0] ?? ''}.gate`);
    return [hardSigmoid({ input, alpha: 1 / 6, beta: 0.5, top: 6 }, gate), { ...node, operator: 'Mul', inputs: [input, gate] }];
  },
};
