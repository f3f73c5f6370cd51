import { report as reportSchema, type Report, type ReportCosts, type ReportMetric, type ReportVariant } from '@serin/protocol/bundle/report';

import type { CostMatrix } from '../evaluate/costs.ts';
import type { GateJudgement, VariantEvidence } from '../evaluate/gate.ts';
import { relativeLoss } from '../evaluate/gate.ts';
import type { Compared, Measured } from '../evaluate/measured.ts';

/** Reports out of what stages know. What is too long for the schema is cut, what is not a number is not known: a report never stops a version. */

const namesMax = 200;
const wordsMax = 1000;
export const cut = (text: string, most = namesMax): string => (text.length <= most ? text : `${text.slice(0, most - 1)}…`);
export const cutWords = (text: string): string => cut(text, wordsMax);

/** As it is written into the bundle. */
export function buildReport(parts: Omit<Report, 'v'>): Report {
  const { assumptions, labels, performance, variants } = parts;
  const fitting: Omit<Report, 'v'> = {
    ...parts,
    labels: labels.map((label) => cut(label)),
    assumptions: assumptions.slice(0, 64).map(cutWords),
    variants: variants.map((one) => ({ ...one, words: cutWords(one.words) })),
    ...(performance?.slices === undefined
      ? {}
      : {
          performance: {
            ...performance,
            slices: performance.slices.slice(0, 500).map((slice) => ({ ...slice, column: cut(slice.column), value: cut(slice.value) })),
          },
        }),
  };
  // JSON has no NaN: what is none becomes null, which the schema takes for a figure that is not known.
  return reportSchema.parse(JSON.parse(JSON.stringify({ v: 1, ...fitting })));
}

type Performance = NonNullable<Report['performance']>;

/** As it was measured: all metrics, slices by the main one, the confusion; beside the version that served, where they were compared. */
export function performanceOfMeasured(
  measured: Measured,
  serving?: { readonly version: number | null; readonly compared: Compared },
): Pick<Performance, 'main' | 'metrics' | 'slices' | 'confusion' | 'serving'> {
  const { main, metrics, confusion } = measured;
  const theirs = new Map(serving?.compared.metrics.map(({ name, champion }) => [name, champion]));
  const slices = metrics.find(({ name }) => name === main)?.slices ?? [];
  return {
    main,
    metrics: metrics.map(({ name, better, unit, estimate }): ReportMetric => ({
      name,
      better,
      unit,
      value: estimate?.value ?? null,
      low: estimate?.low ?? null,
      high: estimate?.high ?? null,
      ...(theirs.has(name) ? { serving: theirs.get(name) ?? null } : {}),
    })),
    ...(serving === undefined ? {} : { serving: servingOf(serving.version, serving.compared) }),
    ...(slices.length === 0
      ? {}
      : {
          slices: slices.map(({ column, value, count, estimate, difference }) => ({
            column,
            value,
            count,
            metric: estimate,
            ...(difference === undefined ? {} : { difference }),
          })),
        }),
    ...(confusion === null
      ? {}
      : { confusion: { truths: [...confusion.truths], answers: [...confusion.answers], counts: confusion.counts.map((row) => [...row]) } }),
  };
}

function servingOf(version: number | null, { metrics, main, right }: Compared): NonNullable<Performance['serving']> {
  const gain = metrics.find(({ name }) => name === main)?.gain ?? null;
  return { version, metric: main, gain, ...(right === null ? {} : { wins: right.wins, losses: right.losses }) };
}

type Made = Pick<ReportVariant, 'variant'> & Partial<Omit<ReportVariant, 'variant' | 'ships' | 'words' | 'loss'>>;

/** What was made, what the gate said of it, what it lost: in the order of the evidence. */
export function variantReports(evidence: readonly VariantEvidence[], judged: GateJudgement['variants'], made: readonly Made[] = []): ReportVariant[] {
  return evidence.map(({ variant, bytes, loss }) => {
    const said = judged.find((one) => one.variant === variant);
    const { variant: _, bytes: __, ...known } = made.find((one) => one.variant === variant) ?? { variant };
    return {
      ...known,
      variant,
      bytes,
      ships: said?.ships ?? false,
      words: cutWords(said?.words ?? 'it was not judged'),
      ...(loss === undefined
        ? {}
        : { loss: { metric: loss.metric, float: loss.float, value: loss.value, share: relativeLoss(loss.float, loss.value, loss.better) } }),
    };
  });
}

export interface CostFacts {
  readonly unit?: string | undefined;
  readonly labels: readonly string[];
  readonly matrix: CostMatrix;
  /** Rows are the truth. */
  readonly counts: readonly (readonly number[])[];
  readonly threshold: number | null;
  readonly positive: number | null;
  /** What an answer costs, on average. */
  readonly cost: { readonly value: number; readonly low?: number | undefined; readonly high?: number | undefined };
  readonly baseline?: number | undefined;
  readonly serving?: number | undefined;
}

const kindsMax = 1000;

/** Answers of each kind that costs something, of a thousand like those that were judged; what costs most together comes first. */
export function costsOf({ unit, labels, matrix, counts, threshold, positive, cost, baseline, serving }: CostFacts): ReportCosts {
  const all = Math.max(
    1,
    counts.flat().reduce((sum, count) => sum + count, 0),
  );
  const items = matrix.flatMap((row, truth) =>
    row.flatMap((each, answer) => {
      if (each === 0) return [];
      const count = (1000 * (counts[truth]?.[answer] ?? 0)) / all;
      return [{ truth: cut(labels[truth] ?? ''), answer: cut(labels[answer] ?? ''), each, count, cost: each * count }];
    }),
  );
  const ofThousand = (name: string, value: number | undefined) => (value === undefined || !Number.isFinite(value) ? {} : { [name]: 1000 * value });
  return {
    ...(unit === undefined ? {} : { unit }),
    threshold,
    ...(positive === null ? {} : { positive: cut(labels[positive] ?? '') }),
    items: items.toSorted((one, other) => other.cost - one.cost).slice(0, kindsMax),
    perThousand: 1000 * cost.value,
    ...ofThousand('low', cost.low),
    ...ofThousand('high', cost.high),
    ...ofThousand('baseline', baseline),
    ...ofThousand('serving', serving),
  };
}
