import { writeFile } from 'node:fs/promises';
import type { Report } from '@serin/protocol/bundle/report';
import type { Session } from '../command.ts';
import { UsageError } from '../exit-codes.ts';
import { figure, formatBytes, printable, type Cell } from '../output.ts';

const joined = (parts: readonly string[]): string => parts.join(', ') || '-';
const between = (low: number | null | undefined, high: number | null | undefined): string =>
  low == null || high == null ? '' : ` (${figure(low)} to ${figure(high)})`;

function verdictOf({ gate: { passed, checks } }: Report): Cell {
  if (checks.length === 0) return { text: 'nothing was asked', tone: 'quiet' };
  return passed ? { text: 'passed', tone: 'good' } : { text: 'failed', tone: 'bad' };
}

function againstOf({ performance }: Report): string {
  const serving = performance?.serving;
  if (serving === undefined) return '-';
  const gain =
    serving.gain === null
      ? 'the difference is not defined'
      : `${serving.metric} better by ${figure(serving.gain.value)}${between(serving.gain.low, serving.gain.high)}`;
  return `version ${serving.version ?? '?'}: ${gain}`;
}

function worstSliceOf({ performance }: Report): string {
  const main = performance?.metrics.find(({ name }) => name === performance.main);
  const sign = main?.better === 'lower' ? -1 : 1;
  const known = (performance?.slices ?? []).flatMap(({ column, value, metric }) => (metric === null ? [] : [{ name: `${column}=${value}`, metric }]));
  const worst = known.toSorted((one, other) => sign * (one.metric.value - other.metric.value))[0];
  return worst === undefined ? '-' : `${worst.name} ${figure(worst.metric.value)}${between(worst.metric.low, worst.metric.high)}`;
}

function worstDisturbanceOf({ robustness }: Report): string {
  const known = (robustness?.perturbed ?? []).flatMap(({ kind, words, drop }) => (drop === null ? [] : [{ kind, words, drop }]));
  const worst = known.toSorted((one, other) => other.drop.value - one.drop.value)[0];
  return worst === undefined
    ? '-'
    : `${worst.kind} (${worst.words}): ${robustness?.metric} worse by ${figure(worst.drop.value)}${between(worst.drop.low, worst.drop.high)}`;
}

const shippedOf = ({ variants }: Report): string =>
  variants
    .filter(({ ships }) => ships)
    .map(({ variant, bytes, loss, latency }) => {
      const lost = loss?.share == null || loss.share <= 0 ? '' : `, ${figure(100 * loss.share)} % lost`;
      return `${variant} ${formatBytes(bytes)}${latency?.p90Ms == null ? '' : `, p90 ${figure(latency.p90Ms)} ms`}${lost}`;
    })
    .join('; ') || '-';

/** Each with why. */
const leftOutOf = ({ variants }: Report): (readonly [string, string])[] =>
  variants.flatMap(({ variant, ships, words }) => (ships ? [] : [['left out', words.startsWith(variant) ? words : `${variant}: ${words}`] as const]));

/** What one would ask first, as far as it was measured; the page and the object have the rest. */
export const reportFields = (report: Report): readonly (readonly [string, string | Cell])[] => allFields(report).filter(([, value]) => value !== '-');

const allFields = (report: Report): readonly (readonly [string, string | Cell])[] => [
  ['model', `${report.model}, ${report.task}`],
  ['gate', verdictOf(report)],
  ['judged on', report.performance === undefined ? '-' : `${report.performance.examples} examples of ${report.performance.part}`],
  ['metrics', joined((report.performance?.metrics ?? []).map(({ name, value, low, high }) => `${name} ${figure(value)}${between(low, high)}`))],
  ['against', againstOf(report)],
  ['worst slice', worstSliceOf(report)],
  ['worst disturbance', worstDisturbanceOf(report)],
  ['confidence', report.performance?.calibration === undefined ? '-' : `off by ${figure(report.performance.calibration.error)} on average`],
  [
    'mistakes',
    report.costs === undefined
      ? '-'
      : `cost ${figure(report.costs.perThousand)}${report.costs.unit === undefined ? '' : ` ${report.costs.unit}`} in 1000 answers`,
  ],
  ['variants', shippedOf(report)],
  ...leftOutOf(report),
  ['data', report.data?.origin ?? '-'],
  ['made on', report.environment === undefined ? '-' : `${report.environment.cpu}, ONNX Runtime ${report.environment.ort}, node ${report.environment.node}`],
];

/** Of the version as a whole: what kept a variant back is told beside it. */
export function sayChecks({ checks }: Report['gate'], { say }: Pick<Session, 'say'>): void {
  for (const { passed, words, variant } of checks) if (passed || variant === undefined) say(printable(`  ${passed ? 'yes' : 'NO '}  ${words}`));
}

export const htmlArg = { html: { type: 'string', valueHint: 'file', description: 'writes the whole report there, as one page' } } as const;

/** A report in short, and all of it in a file where one is named. */
export async function showReport(report: Report, html: string | undefined, askPage: () => Promise<string>, session: Session): Promise<void> {
  session.showOne(report, reportFields);
  sayChecks(report.gate, session);
  if (html === undefined) return;
  const text = await askPage();
  await writeFile(html, text).catch((cause: Error) => {
    throw new UsageError(`${html} cannot be written: ${cause.message}`);
  });
  session.say(`Wrote ${html} (${formatBytes(Buffer.byteLength(text))})`);
}
