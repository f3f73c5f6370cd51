import { int, ints } from '../../onnx/graph.ts';
import { invalid, quote, unsupported } from '../config.ts';
import { axisOf, list, number, plain, shapeText, type LayerContext, type LayerKind, type LayerRule } from '../layer.ts';
import { homeOf, inLayout, placeOf, valueOf, type Dims, type Value } from '../values.ts';

function several({ inputs, title }: LayerContext): readonly Value[] {
  if (inputs.length < 2) throw invalid(`${title} merges ${inputs.length} inputs`);
  return inputs;
}

function broadcast(context: LayerContext, shapes: readonly Dims[]): Dims {
  return shapes.reduce((left, right) =>
    left.map((dim, axis) => {
      const other = right[axis] ?? null;
      if (dim === other || other === 1) return dim;
      if (dim === 1) return other;
      if (dim === null || other === null) return dim ?? other;
      throw invalid(`${context.title} merges ${shapes.map(shapeText).join(' and ')}`);
    }),
  );
}

/** The layout most of its inputs are in, so that the fewest are moved. */
function commonLayout(values: readonly Value[]): 'plain' | 'channels' {
  const [first] = values;
  const rank = first?.dims.length ?? 0;
  const moved = values.filter((value) => homeOf(value) === 'channels').length;
  return rank > 2 && values.every(({ dims }) => dims.length === rank) && 2 * moved >= values.length ? 'channels' : 'plain';
}

/** Element by element; inputs with fewer dimensions get more behind the batch, as in tfjs. */
const fold =
  (operator: string, finish: (context: LayerContext, sum: string, count: number) => string = (_, sum) => sum): LayerRule =>
  () =>
  (context) => {
    const values = several(context);
    const rank = Math.max(...values.map(({ dims }) => dims.length));
    const layout = commonLayout(values);
    const raised = values.map((value) => {
      const missing = rank - value.dims.length;
      const axes = Array.from({ length: missing }, (_, axis) => axis + 1);
      const name = inLayout(value, layout, context.add);
      return {
        name: missing === 0 ? name : context.add('Unsqueeze', [name, list(context, axes)]),
        dims: [...value.dims.slice(0, 1), ...axes.map(() => 1), ...value.dims.slice(1)],
      };
    });
    const dims = broadcast(
      context,
      raised.map((each) => each.dims),
    );
    const result = raised.map(({ name }) => name).reduce((left, right) => context.add(operator, [left, right]));
    return [valueOf(finish(context, result, values.length), dims, layout)];
  };

const concatenate: LayerRule = (config) => {
  const axis = config.whole('axis', -1, -32);
  return (context) => {
    const values = several(context);
    const rank = values[0]?.dims.length ?? 0;
    if (values.some(({ dims }) => dims.length !== rank)) throw invalid(`${context.title} joins ${values.map(({ dims }) => shapeText(dims)).join(' and ')}`);
    const along = axisOf(context, axis, rank);
    const layout = commonLayout(values);
    const type = values[0]?.type ?? 'float32';
    if (values.some((value) => value.type !== type)) throw unsupported(`${context.title}: it joins floats and whole numbers`, 'Give all inputs one type');
    const name = context.add(
      'Concat',
      values.map((value) => inLayout(value, layout, context.add)),
      { axis: int(placeOf(layout, along, rank)) },
    );
    const sizes = values.map(({ dims }) => dims[along] ?? null);
    const sum = sizes.some((size) => size === null) ? null : sizes.reduce<number>((total, size) => total + (size ?? 0), 0);
    const dims = (values[0]?.dims ?? []).map((dim, place) => (place === along ? sum : dim));
    return [valueOf(name, dims, layout, type)];
  };
};

/** What tfjs takes for zero. */
const lengthSquaredMin = 1e-7;

function normalised(context: LayerContext, x: string, axis: number): string {
  const { add } = context;
  const square = add('ReduceSum', [add('Mul', [x, x]), list(context, [axis])], { keepdims: int(1) });
  return add('Div', [x, add('Sqrt', [add('Max', [square, number(context, lengthSquaredMin)])])]);
}

/** Products of all pairs of vectors of two stacks; a matrix is a stack of one row or column. */
const dot: LayerRule = (config) => {
  const given = config.raw('axes');
  const axes = Array.isArray(given) ? given : [given, given];
  const normalises = config.flag('normalize', false);
  if (axes.length !== 2 || !axes.every((axis) => Number.isInteger(axis)))
    throw invalid(`${config.title}: axes ${quote(JSON.stringify(given))} are not two whole numbers`);
  return (context) => {
    const { add } = context;
    const values = several(context);
    const ranks = values.map(({ dims }) => dims.length);
    if (values.length !== 2 || ranks.some((rank) => rank < 2 || rank > 3)) {
      throw unsupported(
        `${context.title}: products of ${values.map(({ dims }) => shapeText(dims)).join(' and ')}`,
        'It takes two inputs of two or three dimensions',
      );
    }
    const along = values.map((value, index) => axisOf(context, Number(axes[index]), value.dims.length));
    if (along.includes(0)) throw unsupported(`${context.title}: products along the batch`, 'Use axes from 1 on');
    const vectors = values.map((value, index) => {
      const x = plain(context, value);
      return normalises ? normalised(context, x, along[index] ?? 1) : x;
    });
    const batch = values[0]?.dims[0] ?? null;
    if (ranks.every((rank) => rank === 2)) return [valueOf(add('ReduceSum', [add('Mul', vectors), list(context, [1])], { keepdims: int(1) }), [batch, 1])];

    // Each as a stack of rows times a stack of columns; a vector is one row or one column.
    const factors = values.map((value, index) => {
      const isLeft = index === 0;
      const axis = along[index] ?? 1;
      const x = vectors[index] ?? '';
      if (value.dims.length === 2) return { name: add('Unsqueeze', [x, list(context, [isLeft ? 1 : 2])]), free: undefined };
      const isTurned = axis !== (isLeft ? 2 : 1);
      return { name: isTurned ? add('Transpose', [x], { perm: ints([0, 2, 1]) }) : x, free: value.dims[3 - axis] ?? null };
    });
    const product = add(
      'MatMul',
      factors.map(({ name }) => name),
    );
    const flat = factors.flatMap(({ free }, index) => (free === undefined ? [index + 1] : []));
    const dims = [batch, ...factors.flatMap(({ free }) => (free === undefined ? [] : [free]))];
    return [valueOf(flat.length === 0 ? product : add('Squeeze', [product, list(context, flat)]), dims)];
  };
};

export const mergeLayers: Readonly<Record<string, LayerKind>> = {
  Add: { rule: fold('Add') },
  Multiply: { rule: fold('Mul') },
  Average: { rule: fold('Add', (context, sum, count) => context.add('Mul', [sum, number(context, 1 / count)])) },
  Maximum: { rule: fold('Max') },
  Minimum: { rule: fold('Min') },
  Concatenate: { rule: concatenate, takesIntegers: true },
  Dot: { rule: dot },
};
