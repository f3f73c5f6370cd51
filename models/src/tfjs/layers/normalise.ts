import { elementCount, float, floats, int, type Tensor } from '../../onnx/graph.ts';
import { invalid, quote, unsupported, type Config } from '../config.ts';
import { axisOf, input, known, plain, type LayerContext, type LayerKind, type LayerRule } from '../layer.ts';
import { inLayout, valueOf } from '../values.ts';

const madeMax = 2 ** 24;

/** A weight, or the same number for all where the layer does without. */
const weightOr = (context: LayerContext, name: string, isThere: boolean, dims: readonly number[], otherwise: number): string =>
  context.store(name, (): Tensor => {
    if (isThere) return context.weight(name, dims);
    const count = elementCount(dims);
    if (count > madeMax) throw invalid(`${context.title} normalises ${count} values at once, more than the limit of ${madeMax}`);
    return floats(dims, new Float32Array(count).fill(otherwise));
  });

function readAxes(config: Config): readonly number[] {
  const given = config.raw('axis') ?? -1;
  const axes = Array.isArray(given) ? given : [given];
  if (axes.length === 0 || !axes.every((axis) => Number.isInteger(axis)))
    throw invalid(`${config.title}: axis ${quote(JSON.stringify(given))} is not a whole number`);
  return axes;
}

const batchNormalisation: LayerRule = (config) => {
  const axes = readAxes(config);
  const epsilon = config.number('epsilon', 1e-3);
  const [center, scale] = [config.flag('center', true), config.flag('scale', true)];
  return (context) => {
    const value = input(context);
    const rank = value.dims.length;
    const axis = axisOf(context, axes[0] ?? -1, rank);
    if (axes.length > 1 || axis !== rank - 1) {
      const hint = 'The backends of tfjs do not agree on any axis but the last: use that one, with Permute layers around it if need be';
      throw unsupported(`${context.title}: normalisation along axis ${axes.join(', ')} of ${rank}`, hint);
    }
    const channels = [known(context, value.dims, axis)];
    const weights = [
      weightOr(context, 'gamma', scale, channels, 1),
      weightOr(context, 'beta', center, channels, 0),
      context.store('moving_mean', () => context.weight('moving_mean', channels)),
      context.store('moving_variance', () => context.weight('moving_variance', channels)),
    ];
    const layout = rank < 3 ? 'plain' : 'channels';
    const name = context.add('BatchNormalization', [inLayout(value, layout, context.add), ...weights], { epsilon: float(epsilon) });
    return [valueOf(name, value.dims, layout)];
  };
};

const layerNormalisation: LayerRule = (config) => {
  const axes = readAxes(config);
  const epsilon = config.number('epsilon', 1e-3);
  const [center, scale] = [config.flag('center', true), config.flag('scale', true)];
  return (context) => {
    const value = input(context);
    const rank = value.dims.length;
    const along = axes.map((axis) => axisOf(context, axis, rank));
    const first = rank - along.length;
    if (along.some((axis, index) => axis !== first + index) || first < 1) {
      throw unsupported(`${context.title}: normalisation along axes ${axes.join(', ')} of ${rank}`, 'Normalise along the last axes, in order');
    }
    const dims = along.map((axis) => known(context, value.dims, axis));
    const weights = [weightOr(context, 'gamma', scale, dims, 1), ...(center ? [context.store('beta', () => context.weight('beta', dims))] : [])];
    const name = context.add('LayerNormalization', [plain(context, value), ...weights], { axis: int(first), epsilon: float(epsilon) });
    return [valueOf(name, value.dims)];
  };
};

export const normaliseLayers: Readonly<Record<string, LayerKind>> = {
  BatchNormalization: { rule: batchNormalisation, masks: 'carries' },
  LayerNormalization: { rule: layerNormalisation, masks: 'carries' },
};
