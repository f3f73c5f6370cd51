import type { TensorSpec } from '@serin/protocol/bundle/manifest';
import { embeddingFeaturesMax } from '@serin/protocol/limits';

/**
 * The output that carries random Fourier features of what a model made of its input, one row an input. Devices add them
 * up beside the answer; nobody is answered with them.
 */
export const embeddingOutput = 'embedding';

/** Random features a row; undefined where the model puts out none that devices add up. */
export function embeddingWidth(outputs: readonly Readonly<TensorSpec>[]): number | undefined {
  const spec = outputs.find(({ name }) => name === embeddingOutput);
  const width = spec?.shape[1];
  if (spec?.dtype !== 'float32' || spec.shape.length !== 2 || width === undefined) return undefined;
  return width >= 1 && width <= embeddingFeaturesMax ? width : undefined;
}
