import type { TreeEnsemble } from '@serin/inference/trees/ensemble';
import { createExplainer, explainRow } from '@serin/inference/trees/explain';
import { columnMajor } from '@serin/inference/trees/predict';

import type { FeatureColumn, FeatureMatrix } from './feature-matrix.ts';
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

export interface ContributionImportance {
  readonly name: string;
  /** Mean size of what the column adds to a margin, over rows and margins. */
  readonly contribution: number;
}

const sampleUsual = 500;

/** What each column says in answers, most first: over rows spread evenly, `sampleMax` of them at most. */
export function contributionImportance(
  trees: TreeEnsemble,
  { rows, columns, values }: FeatureMatrix,
  sampleMax: number = sampleUsual,
): ContributionImportance[] {
  const explainer = createExplainer(trees);
  const sums = new Float64Array(columns.length);
  const sample = Math.min(rows, sampleMax);
  const contributions = new Float64Array(columns.length * trees.base.length);
  for (let index = 0; index < sample; index += 1) {
    contributions.fill(0);
    explainRow(explainer, columnMajor(values, rows), Math.floor((index * rows) / sample), contributions);
    contributions.forEach((each, at) => (sums[at % columns.length] = (sums[at % columns.length] as number) + Math.abs(each)));
  }
  return columns
    .map(({ name }, index) => ({ name, contribution: (sums[index] as number) / Math.max(1, sample * trees.base.length) }))
    .toSorted((a, b) => b.contribution - a.contribution);
}
