import { elementCount, int, ints } from '../../onnx/graph.ts';
import { invalid } from '../config.ts';
import { input, list, plain, shapeText, type LayerKind, type LayerRule } from '../layer.ts';
import { homeOf, orderOf, valueOf, type Value } from '../values.ts';
import { readFormat } from './spatial.ts';

const isOpen = (dim: number | null | undefined): boolean => dim === null || dim === undefined;

const flatten: LayerRule = (config) => {
  const isFirst = config.raw('data_format') !== undefined && readFormat(config) === 'channels_first';
  return (context) => {
    const value = input(context);
    const { dims } = value;
    const rest = dims.slice(1);
    const count = rest.some(isOpen) ? null : elementCount(rest as number[]);
    // Where nothing but the channels is larger than one, all orders are the same.
    const moves = rest.filter((dim) => dim !== 1).length > 1;
    const home = homeOf(value);
    const as = moves || home === 'time' ? plain(context, value) : (value.forms.get(home) ?? '');
    const last = isFirst && moves ? context.add('Transpose', [as], { perm: ints([0, ...dims.slice(2).map((_, index) => index + 2), 1]) }) : as;
    return [valueOf(context.add('Flatten', [last], { axis: int(1) }), [dims[0] ?? null, count], 'plain', value.type)];
  };
};

const reshape: LayerRule = (config) => {
  const given = config.raw('target_shape');
  const target = Array.isArray(given) ? given.map((dim) => (dim === null ? -1 : Number(dim))) : [];
  const sound = target.length > 0 && target.length < 16 && target.every((dim) => Number.isInteger(dim) && dim !== 0 && dim >= -1 && dim < 2 ** 31);
  if (!sound || target.filter((dim) => dim === -1).length > 1) throw invalid(`${config.title}: target_shape is not one of sizes with one open at most`);
  return (context) => {
    const value = input(context);
    const rest = value.dims.slice(1);
    const asked = elementCount(target.filter((dim) => dim !== -1));
    const count = rest.some(isOpen) ? null : elementCount(rest as number[]) / asked;
    if (count !== null && (!Number.isInteger(count) || (count !== 1 && !target.includes(-1)))) {
      throw invalid(`${context.title} cannot shape ${shapeText(value.dims)} as ${shapeText([null, ...target])}`);
    }
    const dims = [value.dims[0] ?? null, ...target.map((dim) => (dim === -1 ? count : dim))];
    // 0 keeps the batch as it is.
    return [valueOf(context.add('Reshape', [plain(context, value), list(context, [0, ...target])]), dims, 'plain', value.type)];
  };
};

const permute: LayerRule = (config) => {
  const given = config.raw('dims');
  const order = Array.isArray(given) ? given.map(Number) : [];
  if (order.length === 0 || order.toSorted((a, b) => a - b).some((axis, index) => axis !== index + 1))
    throw invalid(`${config.title}: dims are not axes from 1 on, each once`);
  return (context) => {
    const value: Value = input(context, order.length + 1);
    const home = homeOf(value);
    const lies = orderOf(home, order.length + 1);
    const axes = [0, ...order];
    const perm = axes.map((axis) => lies.indexOf(axis));
    const name = context.add('Transpose', [value.forms.get(home) ?? ''], { perm: ints(perm) });
    return [
      valueOf(
        name,
        axes.map((axis) => value.dims[axis] ?? null),
        'plain',
        value.type,
      ),
    ];
  };
};

const repeatVector: LayerRule = (config) => {
  const times = config.whole('n');
  return (context) => {
    const value = input(context, 2);
    const row = context.add('Unsqueeze', [plain(context, value), list(context, [1])]);
    return [valueOf(context.add('Tile', [row, list(context, [1, times, 1])]), [value.dims[0] ?? null, times, value.dims[1] ?? null], 'plain', value.type)];
  };
};

export const shapeLayers: Readonly<Record<string, LayerKind>> = {
  Flatten: { rule: flatten, takesIntegers: true },
  Reshape: { rule: reshape, takesIntegers: true },
  Permute: { rule: permute, takesIntegers: true },
  RepeatVector: { rule: repeatVector, takesIntegers: true },
};
