import { int } from '../../onnx/graph.ts';
import { input, known, plain, type LayerKind, type LayerRule } from '../layer.ts';
import { valueOf } from '../values.ts';
import { readActivation } from './activation.ts';

const dense: LayerRule = (config) => {
  const units = config.whole('units');
  const hasBias = config.flag('use_bias', true);
  const act = readActivation(config);
  return (context) => {
    const value = input(context);
    const size = known(context, value.dims, -1);
    const kernel = context.store('kernel', () => context.weight('kernel', [size, units]));
    const bias = hasBias ? context.store('bias', () => context.weight('bias', [units])) : '';
    const dims = [...value.dims.slice(0, -1), units];
    if (dims.length === 2) return [act(context, valueOf(context.add('Gemm', [plain(context, value), kernel, ...(hasBias ? [bias] : [])]), dims))];
    const product = context.add('MatMul', [plain(context, value), kernel]);
    return [act(context, valueOf(hasBias ? context.add('Add', [product, bias]) : product, dims))];
  };
};

/** Words by their numbers. */
const embedding: LayerRule = (config) => {
  const [rows, width] = [config.whole('input_dim'), config.whole('output_dim')];
  const skipsZero = config.flag('mask_zero', false);
  return (context) => {
    const value = input(context);
    const { add } = context;
    const table = context.store('embeddings', () => context.weight('embeddings', [rows, width]));
    if (value.input !== undefined) context.indexes(value.input, rows);
    const int32 = 6;
    const indices = value.type === 'int32' ? plain(context, value) : add('Cast', [plain(context, value)], { to: int(int32) });
    const words = valueOf(add('Gather', [table, indices]), [...value.dims, width]);
    if (!skipsZero) return [words];
    const zero = context.constant({ type: 'int32', dims: [], data: Int32Array.of(0) });
    return [{ ...words, mask: add('Not', [add('Equal', [indices, zero])]) }];
  };
};

export const denseLayers: Readonly<Record<string, LayerKind>> = {
  Dense: { rule: dense, masks: 'carries' },
  Embedding: { rule: embedding, takesIntegers: true },
};
