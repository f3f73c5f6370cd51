import type { ReportMetric } from '@serin/protocol/bundle/report';

/** Figures in words, the same on every machine: nothing here asks the locale. */

export type Unit = ReportMetric['unit'];

const titles: Readonly<Record<string, string>> = {
  accuracy: 'Accuracy',
  auc: 'AUC',
  averagePrecision: 'Average precision',
  f1: 'F1',
  precision: 'Precision',
  recall: 'Recall',
  logLoss: 'Log loss',
  brier: 'Brier score',
  ece: 'Calibration error',
  cost: 'Cost an answer',
  rmse: 'RMSE',
  mae: 'Mean absolute error',
  r2: 'R²',
  map50: 'mAP@.5',
  map50to95: 'mAP@.5–.95',
  framesRight: 'Frames that serve',
  centreErrorPx: 'Centre error, median',
  centreErrorPxP90: 'Centre error, 90th percentile',
  angleErrorDeg: 'Angle error, median',
  angleErrorDegP90: 'Angle error, 90th percentile',
};

export const titleOf = (metric: string): string => (Object.hasOwn(titles, metric) ? (titles[metric] ?? metric) : metric);

/** What a metric is where whoever measured it did not say. */
const units: Readonly<Record<string, Unit>> = { logLoss: 'nats', brier: 'value', cost: 'cost', rmse: 'value', mae: 'value' };
export const unitOf = (metric: string): Unit => (Object.hasOwn(units, metric) ? (units[metric] ?? 'share') : 'share');

/** 1234567 as 1,234,567. */
export const whole = (value: number): string => String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, ',');

export const digits = (value: number, count = 4): string => {
  if (!Number.isFinite(value)) return '–';
  if (Math.abs(value) >= 1e6 || (value !== 0 && Math.abs(value) < 1e-4)) return value.toExponential(2).replace('e+', 'e');
  return Math.abs(value) >= 10 ** count ? whole(value) : String(Number(value.toPrecision(count)));
};

const minus = (text: string): string => text.replace(/^-(?=[0-9.])/, '−');

/** A figure in its unit; a dash where there is none. */
export function figure(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  if (unit === 'share' && Math.abs(value) < 1e6) return minus(`${(100 * value).toFixed(2)} %`);
  if (unit === 'pixels') return minus(`${digits(value, 3)} px`);
  if (unit === 'degrees') return minus(`${digits(value, 3)}°`);
  return minus(digits(value));
}

/** A difference of figures: shares differ by points. */
export function difference(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const sign = value > 0 ? '+' : '';
  if (unit === 'share' && Math.abs(value) < 1e6) return minus(`${sign}${(100 * value).toFixed(2)} points`);
  return `${sign}${figure(value, unit)}`;
}

/** A share of something that may be very small, as a loss of tenths of a per cent. */
export const smallShare = (share: number | null | undefined): string =>
  share === null || share === undefined || !(Math.abs(share) < 1e6) ? '–' : minus(`${Number((100 * share).toPrecision(3))} %`);

export const milliseconds = (value: number | null | undefined): string => {
  if (value === null || value === undefined) return '–';
  return value >= 100 ? `${value.toFixed(0)} ms` : value >= 10 ? `${value.toFixed(1)} ms` : value >= 1 ? `${value.toFixed(2)} ms` : `${value.toFixed(3)} ms`;
};

export function sizeOf(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined) return '–';
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** In an order that no locale changes. */
export const byName = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

export const plural = (count: number, one: string, many = `${one}s`): string => `${whole(count)} ${count === 1 ? one : many}`;

/** The first letter large, save of names such as u8s8; numbers of four and more digits grouped. */
export const sentence = (text: string): string =>
  (/^\S*\d/.test(text) ? text : `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`).replace(/(?<![\w.,])\d{4,}(?![\w.])/g, (number) => whole(Number(number)));

/** Two ends of an interval of differences, the unit once. */
export function between(low: number, high: number, unit: Unit): string {
  const [one, other] = [difference(low, unit), difference(high, unit)];
  return `${unit === 'share' ? one.replace(' points', '') : one} to ${other}`;
}
