import type { Report, ReportCosts, ReportMetric, ReportRobustness, ReportSlice } from '@serin/protocol/bundle/report';

import { byName, difference, digits, figure, plural, titleOf, whole } from './figures.ts';
import { html, type Markup } from './markup.ts';
import { axisStrip, barStrip, fallPlot, intervalStrip, key, type Tone } from './plots.ts';
import { niceScale, px } from './scale.ts';
import { mainMetricOf } from './sections-judging.ts';

/** What an average hides: whom it serves worse, what disturbs it, what its mistakes cost. */

/** Worse or better beyond doubt, by an interval that holds for all slices at once. */
function toneOf({ difference: apart }: ReportSlice, better: ReportMetric['better']): Tone {
  if (apart === undefined || apart === null) return 'ink';
  const [worse, good] = better === 'higher' ? [apart.high < 0, apart.low > 0] : [apart.low > 0, apart.high < 0];
  return worse ? 'bad' : good ? 'ok' : 'ink';
}

export function sliceSection(report: Report): Markup | null {
  const slices = report.performance?.slices ?? [];
  const metric = mainMetricOf(report);
  if (slices.length === 0 || metric === undefined) return null;
  const { name, unit, better, value } = metric;
  const known = slices.flatMap((slice) => (slice.metric === null ? [] : [slice.metric.low, slice.metric.high]));
  const scale = niceScale([...known, ...(value === null ? [] : [value])], unit === 'share' ? { ticks: 4, floor: 0, ceiling: 1 } : { ticks: 4 });
  const worse = slices.filter((slice) => toneOf(slice, better) === 'bad').length;
  const columns = [...new Set(slices.map(({ column }) => column))];
  const row = (slice: ReportSlice): Markup => {
    const tone = toneOf(slice, better);
    const strip =
      slice.metric === null ? html`<span class="sub">too few to be judged</span>` : intervalStrip(slice.metric, scale, { tone, reference: value ?? undefined });
    const apart =
      slice.difference == null
        ? null
        : html`<br /><small class="${tone === 'bad' ? 'bad' : tone === 'ok' ? 'ok' : 'sub'}"
              >${difference(slice.difference.value, unit)}${tone === 'bad' ? ' worse' : ''}</small
            >`;
    return html`<div class="name"><span>${slice.value === '' ? '(empty)' : slice.value}</span><span class="sub">${whole(slice.count)}</span></div>
      <div>${strip}</div>
      <div class="value">
        <span><b>${figure(slice.metric?.value, unit)}</b>${apart}</span>
      </div>`;
  };
  return html`<section class="long" aria-labelledby="slices">
    <h2 id="slices">Whom it serves worse</h2>
    <p class="note">
      ${titleOf(name)} on the examples that share a value; the dashed line is that of all.
      ${worse === 0 ? 'No slice is worse beyond doubt.' : `${plural(worse, 'slice is', 'slices are')} worse than everybody else beyond doubt.`} Differences hold
      for all slices at once.
    </p>
    <p class="legend"><span>${key('dot')}like everybody else</span><span>${key('worse')}worse</span><span>${key('better')}better</span></p>
    <div class="slices">
      ${columns.map(
        (column) =>
          html`<h3>${column}</h3>
            ${slices.filter((slice) => slice.column === column).map(row)}`,
      )}
      <div class="axis"></div>
      <div class="axis">${axisStrip(scale, (tick) => figure(tick, unit).replace('.00', ''))}</div>
      <div class="axis"></div>
    </div>
  </section>`;
}

export function robustnessSection({ robustness }: Report): Markup | null {
  if (robustness === undefined) return null;
  const { metric, better, unit, clean, count, variant, perturbed, left } = robustness;
  const worstOf = (kind: string): number => Math.max(...perturbed.map((item) => (item.kind === kind ? (item.drop?.value ?? Infinity) : -Infinity)));
  const kinds = [...new Set(perturbed.map(({ kind }) => kind))].toSorted((one, other) => worstOf(other) - worstOf(one) || byName(one, other));
  const level = clean?.value ?? Number.NaN;
  const values = perturbed.flatMap(({ estimate }) => (estimate === null ? [] : [estimate.low, estimate.high]));
  const scale = niceScale([...values, ...(Number.isFinite(level) ? [level] : [])], unit === 'share' ? { ticks: 3, floor: 0, ceiling: 1 } : { ticks: 3 });
  return html`<section class="long" aria-labelledby="robustness">
    <h2 id="robustness">What disturbs it</h2>
    <p class="note">
      ${titleOf(metric)} on ${plural(count, 'example')}, undisturbed ${figure(clean?.value, unit)}, under growing
      disturbance${variant === undefined ? '' : `, of the variant ${variant}`}. ${better === 'higher' ? 'Falling' : 'Rising'} is worse; the shade is the
      interval.
    </p>
    <div class="many">${kinds.map((kind) => fallOf(kind, robustness, level, scale))}</div>
    ${
      left.length === 0
        ? null
        : html`<details>
            <summary>${plural(left.length, 'disturbance')} not measured</summary>
            <ul class="assume">
              ${left.map(({ kind, severity, why }) => html`<li>${kind} ${severity}: ${why}</li>`)}
            </ul>
          </details>`
    }
  </section>`;
}

function fallOf(kind: string, { perturbed, unit }: ReportRobustness, level: number, scale: ReturnType<typeof niceScale>): Markup {
  const points = perturbed.filter((item) => item.kind === kind).toSorted((one, other) => one.severity - other.severity);
  const worst = points.toSorted((one, other) => (other.drop?.value ?? -Infinity) - (one.drop?.value ?? -Infinity))[0];
  const drop = worst?.drop ?? null;
  const clear = drop !== null && drop.low > 0;
  const told = drop === null ? 'not measured' : difference(-drop.value, unit);
  return html`<figure>
    <figcaption>${kind}<span class="${clear ? 'bad' : 'sub'}">${told}</span></figcaption>
    ${fallPlot(points, level, scale, (tick) => (unit === 'share' ? px(100 * tick) : figure(tick, unit)), `${kind}: at worst ${told}`)}
    <p class="sub">${worst === undefined ? '' : `worst: ${worst.words}`}</p>
  </figure>`;
}

export function costSection({ costs }: Report): Markup | null {
  if (costs === undefined) return null;
  const { threshold, positive, items, perThousand, low, high, baseline, serving } = costs;
  const others = [
    { name: 'this version', value: perThousand, tone: 'one' as Tone },
    ...(serving === undefined ? [] : [{ name: 'serving version', value: serving, tone: 'ink-3' as Tone }]),
    ...(baseline === undefined ? [] : [{ name: 'simple model', value: baseline, tone: 'ink-3' as Tone }]),
  ];
  const most = Math.max(1e-9, ...others.map(({ value }) => value));
  return html`<section aria-labelledby="costs">
    <h2 id="costs">What its mistakes cost</h2>
    <p class="note">
      Of a thousand answers like those it was judged
      on${threshold === null ? '' : `; ${positive ?? 'the class that is looked for'} is answered from a probability of ${digits(threshold)} on, which was chosen to cost least`}.
    </p>
    <p class="big">${money(perThousand, costs)}</p>
    <p class="note">per 1,000 answers${low === undefined || high === undefined ? '' : `, between ${money(low, costs)} and ${money(high, costs)}`}</p>
    ${
      others.length < 2
        ? null
        : html`<table>
            <tbody>
              ${others.map(
                ({ name, value, tone }) =>
                  html`<tr>
                    <td>${name}</td>
                    <td class="strip">${barStrip(value, most, { tone })}</td>
                    <td class="n">${money(value, costs)}</td>
                  </tr>`,
              )}
            </tbody>
          </table>`
    }
    <div class="scroll" style="margin-top:14px">
      <table>
        <thead>
          <tr>
            <th>True</th>
            <th>Answered</th>
            <th class="n">One costs</th>
            <th class="n">In 1,000</th>
            <th class="n">Together</th>
          </tr>
        </thead>
        <tbody>
          ${items.map(
            ({ truth, answer, each, count, cost }) =>
              html`<tr>
                <td>${truth}</td>
                <td>${answer}</td>
                <td class="n">${money(each, costs)}</td>
                <td class="n">${px(count)}</td>
                <td class="n"><b>${money(cost, costs)}</b></td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`;
}

function money(value: number, { unit }: Pick<ReportCosts, 'unit'>): string {
  const short = px(value);
  const amount = Math.abs(value) >= 1000 ? whole(value) : short.includes('.') ? value.toFixed(2) : short;
  return unit === undefined ? amount : `${amount} ${unit}`;
}
