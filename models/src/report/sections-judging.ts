import type { Report, ReportMetric } from '@serin/protocol/bundle/report';

import { between, difference, digits, figure, plural, sentence, titleOf, whole } from './figures.ts';
import { html, type Markup } from './markup.ts';
import { axisStrip, barStrip, heatPlot, intervalStrip, key, markOf, reliabilityPlot } from './plots.ts';
import { niceScale, px } from './scale.ts';

/** How good it is, and where not. */

type Performance = NonNullable<Report['performance']>;

export function gateSection({ gate }: Report): Markup | null {
  if (gate.checks.length === 0) return null;
  const ordered = gate.checks.toSorted((one, other) => Number(one.passed) - Number(other.passed));
  return html`<section aria-labelledby="gate">
    <h2 id="gate">What it had to reach</h2>
    <p class="note">Limits are declared beside the model. What could not be measured does not pass.</p>
    <ul class="checks">
      ${ordered.map(
        ({ name, passed, words, variant }) =>
          html`<li>
            ${markOf(passed)}
            <div>
              <p class="words">${sentence(words)}.</p>
              <p class="name">${name.replaceAll('_', ' ')}${variant === undefined ? null : !passed && html`: only this variant is left out`}</p>
            </div>
          </li>`,
      )}
    </ul>
  </section>`;
}

export const mainMetricOf = ({ performance }: Pick<Report, 'performance'>): ReportMetric | undefined =>
  performance?.metrics.find(({ name }) => name === performance.main) ?? performance?.metrics[0];

export function performanceSection(report: Report): Markup | null {
  const { performance } = report;
  if (performance === undefined) return null;
  const { part, examples, baseline, serving } = performance;
  return html`<section class="long" aria-labelledby="performance">
    <h2 id="performance">How good it is</h2>
    <p class="note">On ${part}: ${plural(examples, 'example')} no weight has seen. Intervals are of 95 %.</p>
    ${metricTable(performance)}${
      serving === undefined ? null : html`<p class="note">${servingWords(performance)}</p>`
    }${baseline === undefined ? null : html`<p class="note">${baselineWords(performance)}</p>`}
    <div class="two">
      <div>${confusionOf(performance)}${classesOf(performance)}</div>
      ${calibrationOf(performance)}
    </div>
  </section>`;
}

function servingWords({ serving, metrics }: Performance): string {
  if (serving === undefined) return '';
  const { version, metric, gain, wins, losses, words } = serving;
  const unit = metrics.find(({ name }) => name === metric)?.unit ?? 'value';
  const by =
    gain === null ? 'the difference is not defined' : `${titleOf(metric)} is better by ${difference(gain.value, unit)} (${between(gain.low, gain.high, unit)})`;
  const pairs = wins === undefined || losses === undefined ? '' : `; it wins ${plural(wins, 'example')} and loses ${whole(losses)}`;
  return `Against the serving version${version === null ? '' : ` ${version}`} on the same examples: ${words ?? by + pairs}.`;
}

function baselineWords({ baseline, main, metrics }: Performance): string {
  const unit = metrics.find(({ name }) => name === main)?.unit ?? 'value';
  const gain = baseline?.gain ?? null;
  const by = gain === null ? 'the difference is not defined' : `better by ${difference(gain.value, unit)} (${between(gain.low, gain.high, unit)})`;
  return `Against the simple model (${baseline?.name ?? ''}) on the same examples: ${by}.`;
}

function metricTable({ metrics, main }: Performance): Markup {
  const drawn = metrics.filter(({ unit, better, value }) => unit === 'share' && better === 'higher' && value !== null);
  const numbers = drawn.flatMap(({ value, low, high, serving }) => [value, low, high, serving]).filter((one) => typeof one === 'number');
  const scale = niceScale(numbers, { floor: 0, ceiling: 1 });
  const has = { baseline: metrics.some(({ baseline }) => baseline != null), serving: metrics.some(({ serving }) => serving != null) };
  const row = (metric: ReportMetric): Markup => {
    const { name, unit, better, value, low, high, baseline, serving } = metric;
    const strip =
      drawn.includes(metric) && value !== null
        ? intervalStrip({ value, low: low ?? value, high: high ?? value }, scale, {
            diamond: baseline ?? undefined,
            ring: serving ?? undefined,
            tone: name === main ? 'one' : 'ink',
          })
        : null;
    return html`<tr>
      <td>
        ${name === main ? html`<b>${titleOf(name)}</b>` : titleOf(name)}<br /><small>${better === 'higher' ? 'higher is better' : 'lower is better'}</small>
      </td>
      <td class="n"><b>${figure(value, unit)}</b></td>
      <td class="n interval">${low == null || high == null ? '–' : `${figure(low, unit)} – ${figure(high, unit)}`}</td>
      <td class="strip">${strip}</td>
      ${has.serving && html`<td class="n">${figure(serving, unit)}</td>`}${has.baseline && html`<td class="n">${figure(baseline, unit)}</td>`}
    </tr>`;
  };
  const axis = html`<tr>
    <td></td>
    <td></td>
    <td class="interval"></td>
    <td class="strip">${axisStrip(scale, (tick) => `${px(100 * tick)} %`)}</td>
    ${has.serving && html`<td></td>`}${has.baseline && html`<td></td>`}
  </tr>`;
  const legend = html`<p class="legend">
    <span>${key('dot')}this version</span
    >${has.serving && html`<span>${key('ring')}serving version</span>`}${has.baseline && html`<span>${key('diamond')}simple model</span>`}
  </p>`;
  return html`${(has.serving || has.baseline) && drawn.length > 0 ? legend : null}
    <div class="scroll">
      <table class="metrics">
        <thead>
          <tr>
            <th>Metric</th>
            <th class="n">Value</th>
            <th class="n interval">Interval</th>
            <th class="strip"></th>
            ${has.serving && html`<th class="n">Serving</th>`}${has.baseline && html`<th class="n">Simple</th>`}
          </tr>
        </thead>
        <tbody>
          ${metrics.map(row)}${drawn.length > 0 ? axis : null}
        </tbody>
      </table>
    </div>`;
}

const cellsMax = 14;
const mistakesShown = 10;

function confusionOf({ confusion }: Performance): Markup | null {
  if (confusion === undefined || confusion.counts.length === 0) return null;
  const { truths, answers, counts } = confusion;
  const title = html`<h3>What was true, and what it said</h3>`;
  const mistakes = counts
    .flatMap((row, truth) =>
      row.map((count, answer) => ({ truth: truths[truth] ?? '', answer: answers[answer] ?? '', count, share: count / row.reduce((sum, one) => sum + one, 0) })),
    )
    .filter(({ truth, answer, count }) => truth !== answer && count > 0)
    .toSorted((one, other) => other.count - one.count)
    .slice(0, mistakesShown);
  const most = mistakes.map(
    ({ truth, answer, count, share }) =>
      html`<tr>
        <td>${truth}</td>
        <td>${answer}</td>
        <td class="n">${whole(count)}</td>
        <td class="n">${figure(share, 'share')}</td>
      </tr>`,
  );
  const table = html`<table>
    <thead>
      <tr>
        <th>True</th>
        <th>Answered</th>
        <th class="n">How often</th>
        <th class="n">Of that class</th>
      </tr>
    </thead>
    <tbody>
      ${most}
    </tbody>
  </table>`;
  if (answers.length > cellsMax)
    return html`<div>
      ${title}${heatPlot(counts, 'rows are the truth, columns the answers')}
      <h3 style="margin-top:14px">Most frequent mistakes</h3>
      ${table}
    </div>`;
  return html`<div>
    ${title}
    <div class="scroll">
      <table class="heat">
        <thead>
          <tr>
            <th class="corner">true ↓ said →</th>
            ${answers.map((label) => html`<th>${label}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${counts.map((row, truth) => {
            const all = row.reduce((sum, one) => sum + one, 0);
            return html`<tr>
              <th>${truths[truth] ?? ''}</th>
              ${row.map((count, answer) => html`<td class="${truths[truth] === answers[answer] ? 'right' : 'wrong'}" style="--p:${px(count === 0 ? 0 : 8 + (62 * count) / all)}%">${count === 0 ? html`<span class="sub">0</span>` : whole(count)}</td>`)}
            </tr>`;
          })}
        </tbody>
      </table>
    </div>
  </div>`;
}

function calibrationOf({ calibration }: Performance): Markup | null {
  if (calibration === undefined || calibration.bins.length === 0) return null;
  const { error, chance, temperature, bins } = calibration;
  const words = `Confidence is off by ${figure(error, 'share')} on average${chance == null ? '' : `; chance alone makes ${figure(chance, 'share')} of so many examples`}${temperature === undefined ? '' : `. Logits are divided by ${digits(temperature)}`}.`;
  return html`<div>
    <h3>Whether its confidence is true</h3>
    <figure>${reliabilityPlot(bins, words)}</figure>
    <p class="note">${words} Below the dashed line it is surer than it should be.</p>
  </div>`;
}

function classesOf({ classes }: Performance): Markup | null {
  if (classes === undefined || classes.items.length === 0) return null;
  const numbers = classes.items.flatMap(({ value }) => (value === null ? [] : [value]));
  const most = Math.max(1e-9, ...numbers);
  return html`<div>
    <h3>${titleOf(classes.metric)}, class by class</h3>
    <table>
      <tbody>
        ${classes.items.map(
          ({ label, value, count }) =>
            html`<tr>
              <td>${label}${count === undefined ? null : html`<br /><small>${whole(count)}</small>`}</td>
              <td class="strip">${value === null ? null : barStrip(value, most)}</td>
              <td class="n">${figure(value, 'share')}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
