import { writeFile } from 'node:fs/promises';
import type { Report } from '@serin/protocol/bundle/report';
import { modelName } from '@serin/protocol/ids';
import { readValue, readWhole } from '../arguments.ts';
import { command } from '../command.ts';
import { UsageError } from '../exit-codes.ts';
import { formatBytes, printable, type Cell } from '../output.ts';
import { figure } from './run.ts';

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

const variantsOf = ({ variants }: Report): string =>
  variants
    .map(({ variant, bytes, ships, loss, latency }) => {
      const lost = loss?.share == null || loss.share <= 0 ? '' : `, ${figure(100 * loss.share)} % lost`;
      return `${variant} ${formatBytes(bytes)}${latency?.p90Ms == null ? '' : `, p90 ${figure(latency.p90Ms)} ms`}${lost}${ships ? '' : ', left out'}`;
    })
    .join('; ') || '-';

/** What one would ask first; the page and the object have the rest. */
const fields = (report: Report) =>
  [
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
    ['variants', variantsOf(report)],
    ['data', report.data?.origin ?? '-'],
    ['made on', report.environment === undefined ? '-' : `${report.environment.cpu}, ONNX Runtime ${report.environment.ort}, node ${report.environment.node}`],
  ] as const;

export const modelReport = command(
  'What was measured of a version before it was signed, and what it had to reach',
  {
    name: { type: 'positional', required: true, description: 'the model' },
    version: { type: 'positional', required: true, description: 'the version' },
    html: { type: 'string', valueHint: 'file', description: 'writes the whole report there, as one page' },
  },
  async ({ name, version, html }, { api, page, showOne, say, link }) => {
    const number = readWhole(version, 'VERSION', 1, 1_000_000_000);
    const params = { name: readValue(modelName, name, 'NAME', 'the name of a model'), version: String(number) };
    const report = await api('getVersionReport', { params, query: {} });
    showOne(report, fields);
    for (const { passed, words } of report.gate.checks) say(printable(`  ${passed ? 'yes' : 'NO '}  ${words}`));
    if (html !== undefined) {
      const text = await page('getVersionReport', { params, query: { format: 'html' } });
      await writeFile(html, text).catch((cause: Error) => {
        throw new UsageError(`${html} cannot be written: ${cause.message}`);
      });
      say(`Wrote ${html} (${formatBytes(Buffer.byteLength(text))})`);
    }
    link(`/models?model=${params.name}&version=${number}`);
  },
);
