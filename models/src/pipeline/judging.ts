import { seededRandom } from '@serin/inference/random';
import type { MetricName, PipelineFile } from '@serin/protocol/pipeline';
import { SerinError } from '@serin/protocol/errors';

import { bestThreshold, costMatrix, worthOfCosts, worthOfF1 } from '../evaluate/costs.ts';
import { differenceOf, estimateOf, resampleAwake } from '../evaluate/bootstrap.ts';
import { scoresOf, type Counted } from '../evaluate/ranking.ts';
import type { Slice } from '../evaluate/slices.ts';
import type { Answers } from './answers.ts';
import { betterOf, type Deciding } from './metrics.ts';
import type { DataFacts, Part } from './part.ts';
import type { Estimate } from '@serin/protocol/api/runs';

/** Names of classes become places; a name that is no class is a mistake of the file. */
export function costsOfFile({ evaluate }: PipelineFile, labels: readonly string[]): Deciding['costs'] {
  if (evaluate.costs === undefined) return null;
  const { matrix, unknown } = costMatrix(evaluate.costs, labels);
  if (unknown.length > 0)
    throw new SerinError('PIPELINE_INVALID', { detail: `evaluate.costs: ${unknown.join(', ')} is no class; there are ${labels.slice(0, 20).join(', ')}` });
  return matrix;
}

const byAnswers: readonly MetricName[] = ['f1', 'precision', 'recall'];

/** How probabilities become answers, chosen on the validation part alone. */
export function decidingOf(file: PipelineFile, facts: DataFacts, answers: Answers, labels: Float64Array, metric: MetricName): Deciding {
  if (facts.task === 'regression') return { threshold: null, costs: null };
  const costs = costsOfFile(file, facts.labels);
  if (facts.positive === null) return { threshold: null, costs };
  const { positive } = facts;
  const worth = costs !== null ? worthOfCosts(costs, positive) : byAnswers.includes(metric) ? worthOfF1 : undefined;
  if (worth === undefined) return { threshold: 0.5, costs };
  const scores = scoresOf({ probabilities: answers.values, labels, classes: answers.width }, positive);
  return {
    threshold: bestThreshold(
      scores,
      Uint8Array.from(labels, (label) => (label === positive ? 1 : 0)),
      worth,
    ).threshold,
    costs,
  };
}

/** Answers that look at nothing. */
export const constantAnswers = (constant: readonly number[], rows: number, task: DataFacts['task']): Answers => ({
  kind: task === 'regression' ? 'value' : 'probabilities',
  width: constant.length,
  values: Float32Array.from({ length: rows * constant.length }, (_, place) => constant[place % constant.length] ?? 0),
});

export interface Compared {
  /** How much better the one is, in the direction of the metric. */
  readonly gain: Estimate | undefined;
  readonly one: number;
  readonly other: number;
}

/** Two models on the same rows, by the same resamples. */
export async function comparePair(one: Counted, other: Counted, metric: MetricName, part: Part, repeats: number, seed: number): Promise<Compared> {
  const found = await resampleAwake({ one, other }, { rows: part.rows, repeats, random: seededRandom(seed).fork('pair'), groups: part.groups });
  const sign = betterOf(metric) === 'higher' ? 1 : -1;
  const difference = sign === 1 ? differenceOf(found.one, found.other) : differenceOf(found.other, found.one);
  return { gain: estimateOf(difference), one: found.one.value, other: found.other.value };
}

/** Every value of the columns that are looked at. Numbers are cut at their quartiles. */
export function slicesOf({ table }: Part, columns: readonly string[]): Slice[] {
  return columns.flatMap((name): Slice[] => {
    const column = table.columns.find((one) => one.name === name);
    if (column === undefined) return [];
    const rows = new Map<string, number[]>();
    const nameOf = valueNames(column);
    for (let row = 0; row < table.rows; row += 1) {
      const value = nameOf(row);
      const list = rows.get(value) ?? [];
      list.push(row);
      rows.set(value, list);
    }
    return [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([value, list]) => ({ column: name, value, rows: Uint32Array.from(list) }));
  });
}

const missingName = '(missing)';
const figure = (value: number): string => String(Number(value.toPrecision(4)));

function valueNames(column: Part['table']['columns'][number]): (row: number) => string {
  if (column.kind === 'category') return (row) => column.levels[column.codes[row] ?? -1] ?? missingName;
  if (column.kind === 'text') return (row) => column.values[row] ?? missingName;
  const { values } = column;
  const sorted = values.filter((value) => !Number.isNaN(value)).toSorted();
  const distinct = new Set(sorted);
  if (distinct.size <= 12) return (row) => (Number.isNaN(values[row] ?? Number.NaN) ? missingName : figure(values[row] as number));
  const cuts = [...new Set([0.25, 0.5, 0.75].map((at) => sorted[Math.floor(at * sorted.length)] as number))];
  return (row) => {
    const value = values[row] ?? Number.NaN;
    if (Number.isNaN(value)) return missingName;
    const place = cuts.findIndex((cut) => value < cut);
    if (place === 0) return `below ${figure(cuts[0] as number)}`;
    if (place === -1) return `from ${figure(cuts.at(-1) as number)}`;
    return `${figure(cuts[place - 1] as number)} to ${figure(cuts[place] as number)}`;
  };
}
