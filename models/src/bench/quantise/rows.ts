import { timesAsFast, type Times } from './comparison.ts';
import { exportedForm, isPeer, isStatic } from './forms.ts';

export type Row = Record<string, number | string | boolean>;

export const tableHead = ['model', 'form', 'KB', 'ms', 'x float', 'SQNR dB', 's', 'left', 'float products, conversions run', 'task, or note'];

export const round = (value: number, digits = 0): number => Math.round(value * 10 ** digits) / 10 ** digits;

const numberOf = (row: Row | undefined, key: string): number => Number(row?.[key] ?? Number.NaN);

/** A line that speaks for itself. */
export const verdictRow = (words: string): string[] => [...Array.from({ length: tableHead.length - 1 }, () => ''), words];

export function tableRow(row: Row, metric: string | undefined): string[] {
  const cell = (key: string): string => String(row[key] ?? '');
  const others = Object.entries(row).filter(([key]) => key === 'centrePx' || key === 'angleDeg');
  const task =
    metric === undefined || row[metric] === undefined
      ? ''
      : [`${metric} ${String(row[metric])}`, ...others.map(([key, value]) => `${key} ${String(value)}`)].join(', ');
  const inside = row['floatProducts'] === undefined ? '' : `${cell('floatProducts')} ${cell('conversions')}`;
  return [
    cell('model'),
    cell('form'),
    cell('kb'),
    cell('p50Ms'),
    row['timesFloat'] === undefined ? '' : `${cell('timesFloat')} ${cell('timesPrepared')}`,
    cell('sqnrDb'),
    row['runSeconds'] === undefined ? cell('seconds') : `${cell('seconds')} (${cell('runSeconds')})`,
    cell('left'),
    inside,
    [task, cell('note')].filter((part) => part !== '').join('; '),
  ];
}

const isWithin = (row: Row, rows: readonly Row[], metric: string | undefined, lossMax: number): boolean => {
  if (metric === undefined) return true;
  const float = rows.find(({ form }) => form === exportedForm);
  return numberOf(row, metric) >= (1 - lossMax) * numberOf(float, metric);
};

/** What would be shipped: the fastest whose loss is within the budget; float when nothing is faster. */
export function chooseForm(rows: readonly Row[], metric: string | undefined, lossMax: number): string {
  const eligible = rows.filter((row) => isStatic(String(row['form'])) && numberOf(row, 'timesFloat') > 1 && isWithin(row, rows, metric, lossMax));
  return String(eligible.toSorted((a, b) => numberOf(b, 'timesFloat') - numberOf(a, 'timesFloat'))[0]?.['form'] ?? exportedForm);
}

/** Latency may be so much of a tie. */
const slack = 1.02;

interface Contest {
  readonly rows: readonly Row[];
  readonly times: ReadonlyMap<string, Times>;
  readonly metric: string | undefined;
  readonly lossMax: number;
}

/** Our u8s8 beside the best that Python does: the nearest to float of its settings, and the quickest. */
export function holdAgainstPeer({ rows, times, metric, lossMax }: Contest): Row {
  const theirs = rows.filter(({ form, p50Ms }) => isPeer(String(form)) && p50Ms !== undefined);
  const ours =
    rows.findLast((row) => String(row['form']).startsWith('u8s8') && isWithin(row, rows, metric, lossMax)) ?? rows.find(({ form }) => form === 'u8s8');
  const best = (key: string): Row | undefined => theirs.toSorted((a, b) => numberOf(b, key) - numberOf(a, key))[0];
  const [nearest, quickest, ablest] = [best('sqnrDb'), best('timesFloat'), metric === undefined ? undefined : best(metric)];
  if (ours === undefined || nearest === undefined || quickest === undefined) return { words: 'nothing of Python to hold it against' };
  const timesPython = timesAsFast(times.get(String(ours['form'])) ?? [], times.get(String(quickest['form'])) ?? []);
  const holds = {
    sqnr: numberOf(ours, 'sqnrDb') >= numberOf(nearest, 'sqnrDb'),
    latency: timesPython * slack >= 1,
    ...(metric === undefined ? {} : { metric: numberOf(ours, metric) >= numberOf(ablest, metric) }),
  };
  const words = [
    `${String(ours['sqnrDb'])} dB to Python's ${String(nearest['sqnrDb'])}`,
    ...(metric === undefined ? [] : [`${metric} ${String(ours[metric])} to ${String(ablest?.[metric])}`]),
    `${String(ours['p50Ms'])} ms to ${String(quickest['p50Ms'])} (${round(timesPython, 2)} times as fast)`,
    `${String(ours['seconds'])} s to ${String(quickest['seconds'])}`,
  ].join(', ');
  const failed = Object.entries(holds).flatMap(([key, held]) => (held ? [] : [key]));
  return {
    model: String(ours['model']),
    form: String(ours['form']),
    sqnrDb: numberOf(ours, 'sqnrDb'),
    pythonSqnrDb: numberOf(nearest, 'sqnrDb'),
    timesPython: round(timesPython, 3),
    ...(metric === undefined ? {} : { [metric]: numberOf(ours, metric), [`python ${metric}`]: numberOf(ablest, metric) }),
    holds: failed.length === 0,
    words: `beside Python: ${words}${failed.length === 0 ? '' : `; behind in ${failed.join(' and ')}`}`,
  };
}
