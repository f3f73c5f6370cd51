import type { Run, RunComparison, RunDetail, RunStatus, SliceReport, StageState, Trial } from '@serin/protocol/api/runs';
import { formatMetric, formatNumber, formatPoints } from './format.ts';
import type { Tone } from './rollout-view.ts';

export const runStatusTone: Record<RunStatus, Tone> = { RUNNING: 'info', SUCCEEDED: 'ok', FAILED: 'bad', CANCELLED: 'idle' };
export const runStatusWords: Record<RunStatus, string> = { RUNNING: 'Running', SUCCEEDED: 'Succeeded', FAILED: 'Failed', CANCELLED: 'Cancelled' };
export const stageWords: Record<StageState, string> = {
  waiting: 'waiting',
  running: 'running',
  done: 'done',
  cached: 'cached',
  skipped: 'left out',
  failed: 'failed',
};

/** Errors and losses get better downwards. */
export const lowerIsBetter = (metric: string): boolean => /loss|brier|ece|cost|rmse|mae|error/i.test(metric);

const usualMetrics = ['auc', 'accuracy', 'map50', 'rmse', 'averagePrecision', 'f1', 'precision', 'recall', 'logLoss', 'mae', 'r2', 'brier', 'ece', 'cost'];

/** What a run is judged by: the metric its pipeline names, else the first of the usual ones that it has. */
export function keyMetric({ metrics, parameters }: Pick<Run, 'metrics' | 'parameters'>): string | null {
  const named = parameters['evaluate.metric'];
  if (typeof named === 'string' && metrics[named] !== undefined) return named;
  return usualMetrics.find((name) => metrics[name] !== undefined) ?? Object.keys(metrics)[0] ?? null;
}

/** The key metric first, then the usual ones, then the rest by name: a record has no order of its own. */
export function metricNames(run: Pick<Run, 'metrics' | 'parameters'>): string[] {
  return orderMetrics(Object.keys(run.metrics), keyMetric(run));
}

export function orderMetrics(names: readonly string[], key: string | null): string[] {
  const rank = (name: string): number => (name === key ? -1 : usualMetrics.indexOf(name) + 1 || Infinity);
  return names.toSorted((one, other) => (rank(one) === rank(other) ? one.localeCompare(other) : rank(one) - rank(other)));
}

/** Whether a difference is an improvement; null where it is none at all. */
export function isBetter(metric: string, difference: number): boolean | null {
  if (difference === 0 || !Number.isFinite(difference)) return null;
  return difference > 0 !== lowerIsBetter(metric);
}

const isShare = (name: string, value: number): boolean => formatMetric(name, value).endsWith('%');

/** A difference with its sign, in points where the metric is a share. */
export function formatDifference(metric: string, difference: number | null): string {
  if (difference === null || !Number.isFinite(difference)) return formatNumber(null);
  // Whether a metric is a share is decided by its name: a probe within the range of shares tells.
  if (isShare(metric, 0.5)) return formatPoints(difference, Math.abs(difference) < 0.001 && difference !== 0 ? 2 : 1);
  const sign = difference > 0 ? '+' : difference < 0 ? '−' : '±';
  return `${sign}${formatNumber(Math.abs(difference))}`;
}

export function cachedWords({ stages }: Pick<Run, 'stages'>): string {
  const used = stages.filter(({ state }) => state !== 'skipped');
  return cachedOf(used.filter(({ state }) => state === 'cached').length, used.length);
}

export function cachedOf(cached: number, stages: number): string {
  if (cached === 0) return `none of ${stages} stages was cached`;
  return `${cached} of ${stages} stages ${cached === 1 ? 'was' : 'were'} cached`;
}

export interface RunsQuery {
  model?: string | undefined;
  pipeline?: string | undefined;
  status?: RunStatus | undefined;
  q?: string | undefined;
}

export function filterRuns(runs: readonly Run[], { model, pipeline, status, q }: RunsQuery): Run[] {
  const needle = q?.trim().toLowerCase() ?? '';
  return runs.filter(
    (run) =>
      (model === undefined || run.model === model) &&
      (pipeline === undefined || run.pipeline === pipeline) &&
      (status === undefined || run.status === status) &&
      (needle === '' || `${run.id} ${run.model} ${run.pipeline ?? ''} ${run.data?.dataset ?? ''} ${run.createdBy}`.toLowerCase().includes(needle)),
  );
}

/** The two runs that are chosen: a third one takes the place of the older choice. */
export function pickRun(picked: readonly string[], id: string): string[] {
  if (picked.includes(id)) return picked.filter((each) => each !== id);
  return [...picked, id].slice(-2);
}

export interface SliceGroup {
  column: string;
  slices: SliceReport[];
}

/** Slices by column; within one the worst first, because that is what a person looks for. */
export function groupSlices(slices: readonly SliceReport[], metric: string): SliceGroup[] {
  const groups = new Map<string, SliceReport[]>();
  for (const slice of slices) groups.set(slice.column, [...(groups.get(slice.column) ?? []), slice]);
  const sign = lowerIsBetter(metric) ? -1 : 1;
  return [...groups].map(([column, list]) => ({ column, slices: list.toSorted((one, other) => sign * (one.metric.value - other.metric.value)) }));
}

export type SliceVerdict = 'worse' | 'better' | 'alike';

/** Only an interval that leaves zero out says that a slice differs from everybody else. */
export function sliceVerdict({ difference: { low, high } }: Pick<SliceReport, 'difference'>, metric: string): SliceVerdict {
  if (low > 0) return lowerIsBetter(metric) ? 'worse' : 'better';
  if (high < 0) return lowerIsBetter(metric) ? 'better' : 'worse';
  return 'alike';
}

/** The span that all intervals fit into, with a little air. */
export function intervalDomain(estimates: readonly { low: number; high: number }[]): [number, number] {
  const lows = estimates.map(({ low }) => low).filter(Number.isFinite);
  const highs = estimates.map(({ high }) => high).filter(Number.isFinite);
  if (lows.length === 0 || highs.length === 0) return [0, 1];
  const [low, high] = [Math.min(...lows), Math.max(...highs)];
  const air = Math.max((high - low) * 0.06, Math.abs(high) * 1e-3, 1e-6);
  return [low - air, high + air];
}

/** Names of parameters that differ between trials: what a search looked at. */
export function searchedParameters(trials: readonly Trial[]): string[] {
  const names = [...new Set(trials.flatMap(({ parameters }) => Object.keys(parameters)))];
  return names.filter((name) => new Set(trials.map(({ parameters }) => parameters[name])).size > 1);
}

/** The best first; those without a figure last. Trials of a higher rung go before those of a lower one only where they are as good. */
export function sortTrials(trials: readonly Trial[], metric: string): Trial[] {
  const sign = lowerIsBetter(metric) ? 1 : -1;
  return trials.toSorted((one, other) => {
    if (one.metric === null || other.metric === null) return Number(one.metric === null) - Number(other.metric === null) || other.budget - one.budget;
    return sign * (one.metric - other.metric) || other.budget - one.budget;
  });
}

export interface TrialDot {
  trial: Trial;
  x: number;
  y: number;
}

/** Trials with a number for the parameter and a figure. */
export function trialDots(trials: readonly Trial[], parameter: string): TrialDot[] {
  return trials
    .flatMap((trial) => {
      const x = parameter === 'budget' ? trial.budget : trial.parameters[parameter];
      return typeof x === 'number' && trial.metric !== null ? [{ trial, x, y: trial.metric }] : [];
    })
    .toSorted((one, other) => one.x - other.x || one.y - other.y);
}

const groupNames: Readonly<Record<string, string>> = {
  data: 'Data',
  dataset: 'Data',
  pipeline: 'Pipeline',
  parameter: 'Parameters',
  seed: 'Seed',
  code: 'Code',
  environment: 'Environment',
  stage: 'Keys of stages',
};

export interface DifferenceGroup {
  name: string;
  items: { what: string; left: string; right: string }[];
}

/** What differs, by kind: what changes a result most likely first, what follows from it last. */
export function groupDifferences(differences: RunComparison['differences']): DifferenceGroup[] {
  const order = [...new Set(Object.values(groupNames)), 'Others'];
  const groups = new Map<string, DifferenceGroup['items']>();
  for (const { what, left, right } of differences) {
    const [first = '', ...rest] = what.split(' ');
    const group = groupNames[first] ?? 'Others';
    const name = group === 'Others' ? what : rest.length === 0 ? first : rest.join(' ');
    groups.set(group, [...(groups.get(group) ?? []), { what: name, left, right }]);
  }
  return order.flatMap((name) => {
    const items = groups.get(name);
    return items === undefined ? [] : [{ name, items }];
  });
}

/** Curves of one measure belong on one chart: `training loss` and `validation loss`. */
export function groupSeries<Series extends { name: string }>(series: readonly Series[]): { measure: string; series: Series[] }[] {
  const groups = new Map<string, Series[]>();
  for (const each of series) {
    const measure = each.name.split(/[\s./:]+/).at(-1) ?? each.name;
    groups.set(measure, [...(groups.get(measure) ?? []), each]);
  }
  return [...groups].map(([measure, list]) => ({ measure, series: list }));
}

/** A share for each cell of a row, for its tint; empty rows stay untinted. */
export function confusionShares(counts: readonly (readonly number[])[]): number[][] {
  return counts.map((row) => {
    const all = row.reduce((sum, count) => sum + count, 0);
    return row.map((count) => (all === 0 ? 0 : count / all));
  });
}

/** Series of two runs by name, so that one chart shows both. */
export function pairSeries(
  left: RunDetail['series'],
  right: RunDetail['series'],
): { name: string; left: readonly (readonly [number, number])[]; right: readonly (readonly [number, number])[] }[] {
  const names = [...new Set([...left, ...right].map(({ name }) => name))];
  const pointsOf = (list: RunDetail['series'], name: string): readonly (readonly [number, number])[] => list.find((each) => each.name === name)?.points ?? [];
  return names.map((name) => ({ name, left: pointsOf(left, name), right: pointsOf(right, name) }));
}

export const shortDigest = (text: string): string => text.slice(0, 12);
