import type { FeatureColumn } from '@serin/protocol/bundle/preprocessing';

import type { Column } from '../../data/table.ts';
import type { Training } from './trainer.ts';

/** Columns a table model learns from, as devices will read them. */
export function featureColumns({ facts, train }: Training): FeatureColumn[] {
  const byName = new Map(train.table.columns.map((column) => [column.name, column]));
  return facts.features.flatMap((name): FeatureColumn[] => {
    const column: Column | undefined = byName.get(name);
    if (column?.kind === 'number') return [{ kind: 'number', name }];
    return column?.kind === 'category' ? [{ kind: 'category', name, levels: [...column.levels] }] : [];
  });
}

export const objectiveOf = ({ facts }: Training): { kind: 'binary' } | { kind: 'multi-class'; classes: number } | { kind: 'regression' } =>
  facts.task === 'regression' ? { kind: 'regression' } : facts.labels.length === 2 ? { kind: 'binary' } : { kind: 'multi-class', classes: facts.labels.length };

/** Gives every class the same sum of weights. */
export function balancedWeights(labels: ArrayLike<number>, classes: number): Float32Array {
  const counts = new Float64Array(classes);
  for (let row = 0; row < labels.length; row += 1) counts[labels[row] as number] = (counts[labels[row] as number] ?? 0) + 1;
  return Float32Array.from({ length: labels.length }, (_, row) => labels.length / (classes * Math.max(1, counts[labels[row] as number] ?? 1)));
}
