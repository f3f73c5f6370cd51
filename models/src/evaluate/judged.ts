import type { Confusion, MetricKind } from './measured.ts';
import type { Counted } from './ranking.ts';

/** What is known of each metric beside how it is computed. */
const kinds = {
  accuracy: { better: 'higher', unit: 'share' },
  auc: { better: 'higher', unit: 'share' },
  averagePrecision: { better: 'higher', unit: 'share' },
  f1: { better: 'higher', unit: 'share' },
  precision: { better: 'higher', unit: 'share' },
  recall: { better: 'higher', unit: 'share' },
  logLoss: { better: 'lower', unit: 'nats' },
  brier: { better: 'lower', unit: 'value' },
  ece: { better: 'lower', unit: 'share' },
  cost: { better: 'lower', unit: 'cost' },
  rmse: { better: 'lower', unit: 'value' },
  mae: { better: 'lower', unit: 'value' },
  r2: { better: 'higher', unit: 'share' },
  map50: { better: 'higher', unit: 'share' },
  map50to95: { better: 'higher', unit: 'share' },
  framesRight: { better: 'higher', unit: 'share' },
  centreErrorPx: { better: 'lower', unit: 'pixels' },
  centreErrorPxP90: { better: 'lower', unit: 'pixels' },
  angleErrorDeg: { better: 'lower', unit: 'degrees' },
  angleErrorDegP90: { better: 'lower', unit: 'degrees' },
} as const satisfies Readonly<Record<string, MetricKind>>;

export type KnownMetric = keyof typeof kinds;
export const kindOf = (metric: KnownMetric): MetricKind => kinds[metric];

/** Metrics prepared on a set, each to be asked about resamples of it. */
export type Metrics = Readonly<Partial<Record<KnownMetric, Counted>>>;

/** The answers of a model to a set of examples, judged, and ready for resamples: what every task comes to. */
export interface Judged {
  readonly rows: number;
  /** Rows that belong together are drawn together: the group of each row, from 0. */
  readonly groups?: ArrayLike<number> | undefined;
  readonly main: KnownMetric;
  readonly metrics: Metrics;
  /** The same prepared on some of the rows: counts go by the place in that list. */
  readonly within: (rows: Uint32Array) => Metrics;
  /** Figures of single classes, on all rows. */
  readonly classes: readonly { readonly label: string; readonly count: number; readonly metrics: Metrics }[];
  /** 1 where the answer is right; null where answers are neither right nor wrong. */
  readonly right: Uint8Array | null;
  readonly confusion: Confusion | null;
}
