import { int } from '../../onnx/graph.ts';
import { invalid, unsupported } from '../config.ts';
import { input, list, number, plain, shapeText, type LayerKind, type LayerRule } from '../layer.ts';
import { valueOf, type Value } from '../values.ts';

/** What treats every step alike anyway. */
const stepless: ReadonlySet<string> = new Set(['Dense', 'Activation', 'Dropout', 'ReLU', 'LeakyReLU', 'ELU']);

/** Steps become examples, and the results steps again. */
const timeDistributed: LayerRule = (config, { inner }, ruleOf) => {
  if (inner === undefined) throw invalid(`${config.title} wraps no layer`);
  const build = ruleOf(inner);
  return (context) => {
    const value = input(context);
    const [batch = null, steps = null, ...rest] = value.dims;
    if (rest.length === 0) throw invalid(`${context.title} takes steps of something, found ${shapeText(value.dims)}`);
    if (stepless.has(inner.className)) return build(context);
    if (steps === null || rest.includes(null)) {
      throw unsupported(`${context.title}: ${inner.className} for each of an open number of steps`, 'Give the input of the model a fixed shape');
    }
    const apart = context.add('Reshape', [plain(context, value), list(context, [-1, ...(rest as number[])])]);
    const results = build(context.within('', [{ ...valueOf(apart, [null, ...rest]), type: value.type }]));
    return results.map((result): Value => {
      const [, ...own] = result.dims;
      if (own.includes(null)) throw invalid(`${context.title} gives steps of open size`);
      const name = context.add('Reshape', [plain(context, result), list(context, [-1, steps, ...(own as number[])])]);
      return valueOf(name, [batch, steps, ...own]);
    });
  };
};

/** Steps of nothing but one value are zero, and recurrent layers skip them. */
const masking: LayerRule = (config) => {
  const skipped = config.number('mask_value', 0);
  return (context) => {
    const value = input(context);
    const { add } = context;
    const float32 = 1;
    const differs = add('Cast', [add('Not', [add('Equal', [plain(context, value), number(context, skipped)])])], { to: int(float32) });
    const counts = add('ReduceMax', [differs], { axes: { kind: 'ints', value: [-1] }, keepdims: int(1) });
    const kept = valueOf(add('Mul', [plain(context, value), counts]), value.dims);
    const last = list(context, [value.dims.length - 1]);
    return [{ ...kept, mask: add('Greater', [add('Squeeze', [counts, last]), number(context, 0.5)]) }];
  };
};

export const wrapperLayers: Readonly<Record<string, LayerKind>> = {
  TimeDistributed: { rule: timeDistributed, masks: 'carries' },
  Masking: { rule: masking },
};
