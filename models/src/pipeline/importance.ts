import { seededRandom, shuffle } from '@serin/inference/random';
import { decodeTrees } from '@serin/inference/trees/encode';
import { createExplainer, explainRow } from '@serin/inference/trees/explain';
import { columnMajor } from '@serin/inference/trees/predict';
import type { RunDetail } from '@serin/protocol/api/runs';
import type { TreeEnsemble } from '@serin/inference/trees/ensemble';
import type { FeatureColumn } from '@serin/protocol/bundle/preprocessing';
import type { MetricName } from '@serin/protocol/pipeline';

import type { Column } from '../data/table.ts';
import { featuresOf } from '../trees/feature-matrix.ts';
import { answersOf } from './answers.ts';
import { betterOf, metricsOf, valueOf } from './metrics.ts';
import { pickRows, type DataFacts, type Part } from './part.ts';
import type { StageContext } from './stage.ts';
import type { ModelFacts } from './stages/train.ts';

const rowsMax = 2000;
const columnsMax = 200;

/** Of trees, the mean absolute Shapley value; of others, how much worse answers get when a column's values change places among the records. */
export async function importanceOf(
  context: StageContext,
  facts: DataFacts,
  model: ModelFacts,
  bytes: Uint8Array,
  part: Part,
  metric: MetricName,
): Promise<RunDetail['importance']> {
  const { preprocessing, importance } = model;
  if (preprocessing?.kind !== 'table') return null;
  if (context.has('train/explainer.bin')) return shapley(context, decodeTrees(await context.read('train/explainer.bin')), preprocessing.columns, part);
  if (preprocessing.columns.length > columnsMax)
    return importance == null ? null : { method: importance.method, columns: importance.columns.slice(0, columnsMax).map((one) => ({ ...one })) };
  const random = seededRandom(context.plan.file.seed).fork('importance');
  const sample = pickRows(part, firstOf(random.fork('rows'), part.rows));
  const deciding = { threshold: facts.positive === null ? null : 0.5, costs: null };
  const judge = async (one: Part): Promise<number> => {
    const answers = await answersOf(bytes, preprocessing, one, facts.frame, { signal: context.signal });
    return valueOf(metricsOf(answers, one.labels, facts, deciding)[metric === 'cost' ? 'logLoss' : metric], one.rows);
  };
  const whole = await judge(sample);
  const sign = betterOf(metric === 'cost' ? 'logLoss' : metric) === 'higher' ? 1 : -1;
  const columns: { name: string; value: number }[] = [];
  for (const [place, { name }] of preprocessing.columns.entries()) {
    context.progress(place / preprocessing.columns.length, `importance of ${name}`);
    const order = shuffle(
      random.fork(`column ${name}`),
      Int32Array.from({ length: sample.rows }, (_, row) => row),
    );
    const table = { ...sample.table, columns: sample.table.columns.map((column) => (column.name === name ? reordered(column, order) : column)) };
    const value = sign * (whole - (await judge({ ...sample, table })));
    columns.push({ name, value: Number.isFinite(value) ? value : 0 });
  }
  return {
    method: `loss of ${metric} when the column is shuffled, ${sample.rows} test records`,
    columns: columns.toSorted((one, other) => other.value - one.value),
  };
}

function shapley(context: StageContext, trees: TreeEnsemble, columns: readonly FeatureColumn[], part: Part): RunDetail['importance'] {
  const sample = pickRows(part, firstOf(seededRandom(context.plan.file.seed).fork('importance'), part.rows));
  const rows = columnMajor(featuresOf(sample.table, columns).values, sample.rows);
  const explainer = createExplainer(trees);
  const outputs = trees.base.length;
  const into = new Float64Array(columns.length * outputs);
  const sums = new Float64Array(columns.length);
  for (let row = 0; row < sample.rows; row += 1) {
    context.progress(row / sample.rows, 'what each column did for the answers');
    into.fill(0);
    explainRow(explainer, rows, row, into);
    for (let place = 0; place < into.length; place += 1) {
      const column = place % columns.length;
      sums[column] = (sums[column] as number) + Math.abs(into[place] as number);
    }
  }
  const found = columns.map(({ name }, place) => ({ name, value: (sums[place] as number) / Math.max(1, sample.rows * outputs) }));
  return {
    method: `mean |SHAP| of the margin over ${sample.rows} test records`,
    columns: found.toSorted((one, other) => other.value - one.value).slice(0, columnsMax),
  };
}

const firstOf = (random: Parameters<typeof shuffle>[0], rows: number): Uint32Array =>
  Uint32Array.from(
    shuffle(
      random,
      Int32Array.from({ length: rows }, (_, row) => row),
    ).subarray(0, rowsMax),
  ).toSorted();

function reordered(column: Column, order: Int32Array): Column {
  if (column.kind === 'number') return { ...column, values: Float64Array.from(order, (row) => column.values[row] as number) };
  if (column.kind === 'category') return { ...column, codes: Int32Array.from(order, (row) => column.codes[row] as number) };
  return { ...column, values: Array.from(order, (row) => column.values[row]) };
}
