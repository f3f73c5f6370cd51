import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { decodeTrees, encodeTrees } from '@serin/inference/trees/encode';
import { createExplainer } from '@serin/inference/trees/explain';
import { rowMajor } from '@serin/inference/trees/predict';
import { reasonsFor } from '@serin/inference/trees/reasons';

import type { Table } from '../../data/table.ts';
import { exportLinear } from '../../linear/export-linear.ts';
import { trainLinear } from '../../linear/train-linear.ts';
import { combineModels } from '../../onnx/combine.ts';
import type { Model } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { exportTrees } from '../export-trees.ts';
import { featuresOf, type FeatureColumn } from '../feature-matrix.ts';
import { trainTrees, type TrainedTrees } from '../train-trees.ts';

interface Rows {
  readonly table: Table;
  readonly labels: ArrayLike<number>;
}

/** Everything docs/tables.md shows; a test keeps the page equal to it and runs it. */
export async function documented(
  { table, labels }: Rows,
  validation: Rows,
  folder: string,
  say: (line: string) => void,
): Promise<{ trained: TrainedTrees; combined: Model }> {
  const { table: held, labels: heldLabels } = validation;
  const columns: FeatureColumn[] = [
    { kind: 'number', name: 'age' },
    { kind: 'category', name: 'work', levels: ['office', 'field', 'none'] },
  ];
  const features = featuresOf(table, columns);

  const cancel = new AbortController();
  const trained = await trainTrees({
    features,
    labels,
    validation: { features: featuresOf(held, columns), labels: heldLabels },
    objective: { kind: 'binary' },
    options: { trees: 200, leavesMax: 15, rate: 0.1, leafRowsMin: 10, rowShare: 0.8, featureShare: 0.9, classWeights: 'balanced', patience: 20 },
    seed: 1,
    threads: 2,
    checkpoint: { folder: path.join(folder, 'run'), everySeconds: 10 },
    signal: cancel.signal,
    onProgress: ({ iteration, iterations, train, validation, best }) =>
      say(`${iteration}/${iterations} loss ${train.toFixed(4)}, validation ${validation?.toFixed(4)}, best so far after ${best}`),
  });
  say(`${trained.bestIteration} trees, ${trained.digest}; first ${trained.importance[0]?.name}`);
  await writeFile(path.join(folder, 'model.onnx'), writeModel(exportTrees(trained.ensemble)));
  await writeFile(path.join(folder, 'trees.bin'), encodeTrees(trained.ensemble));

  const bytes = await readFile(path.join(folder, 'trees.bin'));
  const row = Float32Array.of(71, 2);
  const explainer = createExplainer(decodeTrees(bytes));
  const { margin, expected, reasons, rest } = reasonsFor(explainer, rowMajor(row, columns.length), 0, { columns, count: 2 });
  say(`${margin.toFixed(2)} = ${expected.toFixed(2)} + ${rest.toFixed(2)}`);
  for (const { name, value, contribution } of reasons) say(`  ${contribution.toFixed(2)}: ${name} is ${value}`);

  const linear = await trainLinear({ features, labels, objective: { kind: 'binary' }, l2: 1e-4 });
  const shares = await trainLinear({ features, labels, objective: { kind: 'binary' }, constant: true });
  say(`loss ${linear.loss.toFixed(4)}, of the shares alone ${shares.loss.toFixed(4)}`);
  const combined = combineModels([exportTrees(trained.ensemble), exportLinear(linear)], [3, 1]);
  return { trained, combined };
}
