import { seededRandom } from '@serin/inference/random';

import type { FeatureColumn, FeatureMatrix } from '../../trees/feature-matrix.ts';

export interface SyntheticRows {
  readonly features: FeatureMatrix;
  /** 0 or 1. */
  readonly labels: Float64Array;
}

const levelsOf = [5, 12, 40, 100] as const;

/**
 * Made-up rows: numbers of several shapes, some missing and not by chance, categories of 5 to 100 levels, and a label that
 * depends on sums, products, steps and levels of some of them, with noise.
 */
export function syntheticRows(rows: number, seed: number | string, numbers = 16): SyntheticRows {
  const columns: FeatureColumn[] = [
    ...Array.from({ length: numbers }, (_, index): FeatureColumn => ({ kind: 'number', name: `number ${index}` })),
    ...levelsOf.map((count, index): FeatureColumn => ({
      kind: 'category',
      name: `category ${index}`,
      levels: Array.from({ length: count }, (_, level) => `level ${level}`),
    })),
  ];
  // What levels mean is the same for every part of the data.
  const effects = levelsOf.map((count, index) => Float64Array.from({ length: count }, (_, level) => seededRandom(`effect ${index} ${level}`).normal()));
  const random = seededRandom(seed);
  const values = new Float32Array(rows * columns.length);
  const labels = new Float64Array(rows);
  const x = new Float64Array(columns.length);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < numbers; column += 1) {
      const normal = random.normal();
      x[column] = column % 4 === 1 ? Math.exp(normal) : column % 4 === 2 ? Math.round(normal * 3) : normal;
    }
    levelsOf.forEach((count, index) => (x[numbers + index] = Math.floor(count * random.uniform() ** 2)));
    const at = (column: number): number => x[column] as number;
    const effect = levelsOf.reduce((sum, _, index) => sum + (effects[index]?.[at(numbers + index)] ?? 0), 0);
    const margin = at(0) + 0.5 * at(1) * at(4) - (at(2) > 2 ? 1.5 : 0) + Math.sin(2 * at(3)) + 0.6 * Math.abs(at(5)) - 0.3 * at(6) + 0.7 * effect - 1;
    labels[row] = random.uniform() < 1 / (1 + Math.exp(-margin)) ? 1 : 0;
    for (let column = 0; column < columns.length; column += 1) {
      // Large values of some are hidden more often.
      const hidden = column < 6 ? 0.02 + (column % 3 === 0 && at(column) > 1 ? 0.2 : 0) : column === numbers + 1 ? 0.05 : 0;
      values[column * rows + row] = random.uniform() < hidden ? Number.NaN : at(column);
    }
  }
  return { features: { rows, columns, values }, labels };
}
