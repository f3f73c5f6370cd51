import type { Report, ReportMetric } from '@serin/protocol/bundle/report';

import { between, difference, figure, milliseconds, plural, sentence, sizeOf, titleOf } from './figures.ts';
import { html, type Markup } from './markup.ts';
import { markOf } from './plots.ts';
import { gateSection, mainMetricOf, performanceSection } from './sections-judging.ts';
import { assumptionSection, dataSection, environmentSection, trainingSection } from './sections-origin.ts';
import { variantSection } from './sections-variants.ts';
import { costSection, robustnessSection, sliceSection } from './sections-weaknesses.ts';
import { style } from './style.ts';

/** What the report is about, where that is known: a signed version, or a run, whatever became of it. */
export type ReportSubject =
  | { readonly version: number; readonly manifest: string; readonly signedBy: string }
  | { readonly run: string; readonly version: number | null };

const taskNames: Readonly<Record<Report['task'], string>> = {
  'image-classification': 'classifies pictures',
  detection: 'finds objects in pictures',
  table: 'answers records',
  text: 'answers texts',
  tensor: 'answers tensors',
};

/** One page that needs nothing else: no script, no font, no picture from elsewhere. The same report gives the same bytes. */
export function renderReport(report: Report, subject?: ReportSubject): string {
  const name = `${report.model}${subject === undefined || subject.version === null ? '' : ` version ${subject.version}`}`;
  const sections = [
    gateSection,
    performanceSection,
    sliceSection,
    costSection,
    robustnessSection,
    variantSection,
    dataSection,
    trainingSection,
    environmentSection,
    assumptionSection,
  ];
  const body = html`<main>
    ${heading(report, name, subject)}${verdictOf(report)}${tilesOf(report)}${sections.map((section) => section(report))}
    <footer>Made by Serin from the report that ${subject !== undefined && 'run' in subject ? 'the run has kept' : 'lies in the version'}.</footer>
  </main>`;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width,initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${name}: report</title>
        <style>
          ${{ markup: style }}
        </style>
      </head>
      <body>
        ${body}
      </body>
    </html>`;
  return page.markup;
}

const heading = ({ task, description, labels }: Report, name: string, subject: ReportSubject | undefined): Markup =>
  html`<header>
    <p class="eyebrow">Model report</p>
    <h1>${name}</h1>
    <p class="note">
      ${sentence(taskNames[task])}${labels.length === 0 ? '' : `: ${labels.length > 12 ? plural(labels.length, 'class', 'classes') : labels.join(', ')}`}.
      ${description ?? ''}
    </p>
    ${subject === undefined ? null : originOf(subject)}
  </header>`;

const originOf = (subject: ReportSubject): Markup =>
  'run' in subject
    ? html`<p class="note">Run <span class="mono">${subject.run}</span>${subject.version === null && '; no version was made of it'}</p>`
    : html`<p class="note">Manifest <span class="mono">${subject.manifest}</span>, signed by key <span class="mono">${subject.signedBy}</span></p>`;

function verdictOf({ gate: { passed, checks } }: Report): Markup {
  const failed = checks.filter((check) => !check.passed && check.variant === undefined);
  const leftOut = checks.filter((check) => !check.passed && check.variant !== undefined).map(({ variant }) => variant);
  const asked = checks.filter(({ variant }) => variant === undefined).length;
  const words =
    checks.length === 0
      ? 'No limit was set, so nothing was held against it.'
      : passed
        ? `${asked === 1 ? 'The one check' : `All ${asked} checks`} of the version passed${leftOut.length === 0 ? '' : `; left out: ${leftOut.join(', ')}`}.`
        : `${plural(failed.length, 'check')} of ${asked} failed: ${failed.map(({ name }) => name.replaceAll('_', ' ')).join(', ')}.`;
  const head = checks.length === 0 ? 'Nothing was asked of it' : passed ? 'Passed its gate' : 'Did not pass its gate';
  return html`<div class="verdict ${passed ? 'ok' : 'bad'}" role="status">
    ${markOf(passed, 34)}<b>${head}</b>
    <p>${words}</p>
  </div>`;
}

interface Tile {
  readonly name: string;
  readonly value: string;
  readonly words: string;
}

/** The figures one would ask for first, and the worst of those that an average hides. */
function tilesOf(report: Report): Markup | null {
  const main = mainMetricOf(report);
  const tiles = [
    main === undefined ? undefined : mainTile(main),
    servingTile(report, main),
    sliceTile(report, main),
    disturbanceTile(report),
    calibrationTile(report),
    speedTile(report),
    sizeTile(report),
  ].filter((tile) => tile !== undefined);
  return tiles.length === 0
    ? null
    : html`<dl class="tiles">
        ${tiles.map(
          ({ name, value, words }) =>
            html`<div class="tile">
              <dt>${name}</dt>
              <dd>${value.replace(/ points$/, '')}${value.endsWith(' points') && html` <small>points</small>`}</dd>
              <p>${words}</p>
            </div>`,
        )}
      </dl>`;
}

const mainTile = ({ name, unit, value, low, high }: ReportMetric): Tile => ({
  name: titleOf(name),
  value: figure(value, unit),
  words: low == null || high == null ? 'without an interval' : `${figure(low, unit)} to ${figure(high, unit)}`,
});

function servingTile({ performance }: Report, main: ReportMetric | undefined): Tile | undefined {
  const serving = performance?.serving;
  if (serving === undefined) return undefined;
  const unit = performance?.metrics.find(({ name }) => name === serving.metric)?.unit ?? main?.unit ?? 'value';
  const { gain, version } = serving;
  return {
    name: version === null ? 'Against what serves' : `Against version ${version}`,
    value: gain === null ? 'not known' : difference(gain.value, unit),
    words: gain === null ? 'the difference is not defined' : between(gain.low, gain.high, unit),
  };
}

function sliceTile({ performance }: Report, main: ReportMetric | undefined): Tile | undefined {
  if (main === undefined) return undefined;
  const sign = main.better === 'higher' ? 1 : -1;
  const known = (performance?.slices ?? []).flatMap((slice) => (slice.metric === null ? [] : [{ ...slice, metric: slice.metric }]));
  const worst = known.toSorted((one, other) => sign * (one.metric.value - other.metric.value))[0];
  return worst === undefined
    ? undefined
    : { name: 'Worst slice', value: figure(worst.metric.value, main.unit), words: `${worst.column}: ${worst.value === '' ? '(empty)' : worst.value}` };
}

function disturbanceTile({ robustness }: Report): Tile | undefined {
  const worst = robustness?.perturbed.filter(({ drop }) => drop !== null).toSorted((one, other) => (other.drop?.value ?? 0) - (one.drop?.value ?? 0))[0];
  return worst === undefined || robustness === undefined
    ? undefined
    : { name: 'Worst disturbance', value: difference(-(worst.drop?.value ?? 0), robustness.unit), words: `${worst.kind}: ${worst.words}` };
}

function calibrationTile({ performance }: Report): Tile | undefined {
  const found = performance?.calibration;
  return found === undefined
    ? undefined
    : {
        name: 'Confidence is off by',
        value: figure(found.error, 'share'),
        words: found.chance == null ? 'on average' : `on average; chance makes ${figure(found.chance, 'share')}`,
      };
}

function speedTile({ variants }: Report): Tile | undefined {
  const timed = variants
    .filter(({ ships, latency }) => ships && latency?.p90Ms != null)
    .toSorted((one, other) => (one.latency?.p90Ms ?? 0) - (other.latency?.p90Ms ?? 0))[0];
  return timed === undefined
    ? undefined
    : { name: 'Nine of ten answers within', value: milliseconds(timed.latency?.p90Ms), words: `as ${timed.variant}, on the machine that packaged` };
}

function sizeTile({ variants }: Report): Tile | undefined {
  const shipped = variants.filter(({ ships }) => ships).toSorted((one, other) => one.bytes - other.bytes);
  const [smallest] = shipped;
  return smallest === undefined
    ? undefined
    : { name: 'Size', value: sizeOf(smallest.bytes), words: shipped.map(({ variant, bytes }) => `${variant} ${sizeOf(bytes)}`).join(', ') };
}
