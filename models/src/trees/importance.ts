import type { TreeEnsemble } from '@serin/inference/trees/ensemble';

import type { FeatureColumn } from './feature-matrix.ts';
import type { FeatureImportance } from './tree-options.ts';

/** What the splits by each feature won in training, most first. */
export function importanceOf({ feature, gain }: TreeEnsemble, columns: readonly FeatureColumn[]): FeatureImportance[] {
  const gains = new Float64Array(columns.length);
  const splits = new Int32Array(columns.length);
  feature.forEach((asked, node) => {
    if (asked < 0) return;
    gains[asked] = (gains[asked] as number) + (gain[node] as number);
    splits[asked] = (splits[asked] as number) + 1;
  });
  const all = gains.reduce((sum, each) => sum + each, 0);
  return columns
    .map(({ name }, index) => ({ name, gain: all > 0 ? (gains[index] as number) / all : 0, splits: splits[index] as number }))
    .toSorted((a, b) => b.gain - a.gain);
}
