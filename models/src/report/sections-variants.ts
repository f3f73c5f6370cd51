import type { Report, ReportVariant } from '@serin/protocol/bundle/report';

import { byName, digits, figure, milliseconds, plural, sizeOf, smallShare, titleOf, unitOf, whole } from './figures.ts';
import { html, type Markup } from './markup.ts';
import { barStrip, markOf } from './plots.ts';

/** In which forms it goes to devices. */

const formNames: Readonly<Record<ReportVariant['variant'], string>> = {
  fp32: 'float, 32 bits',
  fp16: 'float, 16 bits',
  u8s8: '8 bits, static',
  u8u8: '8 bits, static, unsigned weights',
  dyn8: '8 bits, scaled as values come',
  w8: 'weights in 8 bits',
  w4: 'weights in 4 bits',
};

export function variantSection({ variants, gate }: Report): Markup | null {
  if (variants.length === 0) return null;
  const measured = variants.filter(({ latency }) => latency !== undefined && latency.p50Ms !== null);
  const largest = Math.max(1, ...variants.map(({ bytes }) => bytes));
  return html`<section class="long" aria-labelledby="variants">
    <h2 id="variants">Forms it ${gate.passed ? 'goes' : 'would go'} out in</h2>
    <p class="note">One model in several forms; each device measures those it could run and keeps the best.</p>
    ${measured.length === 0 ? null : latencyTable(measured)}${variants.map((variant) => variantOf(variant, largest, gate.passed))}
  </section>`;
}

/** Median solid; the paler ends are what nine, and ninety-nine, of a hundred stay below. */
function latencyTable(variants: readonly ReportVariant[]): Markup {
  const most = Math.max(1e-9, ...variants.flatMap(({ latency }) => [latency?.p99Ms ?? 0, latency?.p90Ms ?? 0, latency?.p50Ms ?? 0]));
  const [first] = variants;
  return html`<h3>Time of one answer on the machine that packaged, ${plural(first?.latency?.threads ?? 1, 'thread')}</h3>
    <div class="scroll" style="margin-bottom:18px">
      <table>
        <thead>
          <tr>
            <th>Form</th>
            <th class="strip"></th>
            <th class="n">Median</th>
            <th class="n">90 %</th>
            <th class="n">99 %</th>
            <th class="n">Speed</th>
            <th class="n">Memory</th>
          </tr>
        </thead>
        <tbody>
          ${variants.map(
            ({ variant, latency, time }) =>
              html`<tr>
                <td><b>${variant}</b></td>
                <td class="strip">
                  ${barStrip(latency?.p50Ms ?? 0, most, { ticks: [latency?.p99Ms, latency?.p90Ms].filter((one) => typeof one === 'number') })}
                </td>
                <td class="n"><b>${milliseconds(latency?.p50Ms)}</b></td>
                <td class="n">${milliseconds(latency?.p90Ms)}</td>
                <td class="n">${milliseconds(latency?.p99Ms)}</td>
                <td class="n">${time === undefined ? '–' : `${digits(1 / time.value, 3)} × float`}</td>
                <td class="n">${sizeOf(latency?.memoryBytes)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
}

function badgeOf(ships: boolean, passed: boolean): Markup {
  if (ships && !passed) return html`<span class="badge idle">would ship</span>`;
  return html`<span class="badge ${ships ? 'ok' : 'bad'}">${markOf(ships, 13)}${ships ? 'ships' : 'left out'}</span>`;
}

function variantOf(one: ReportVariant, largest: number, passed: boolean): Markup {
  const { variant, bytes, ships, words, left = [], leftCount } = one;
  return html`<div class="variant">
    <h3>${variant}<span class="sub">${formNames[variant]}</span>${badgeOf(ships, passed)}</h3>
    <p class="words sub">${words}</p>
    ${bytes === 0 ? null : figuresOf(one, largest)}${left.length === 0 ? null : leftOf(left, leftCount ?? left.length)}
  </div>`;
}

/** Of a form that was made: of some there is only to say why not. */
function figuresOf({ bytes, metrics, loss, quantised, left = [], leftCount, recovery = [] }: ReportVariant, largest: number): Markup {
  const names = Object.keys(metrics ?? {}).toSorted(byName);
  const count = leftCount ?? left.length;
  return html`<dl class="facts">
      <div>
        <dt>Size</dt>
        <dd>${sizeOf(bytes)}${barStrip(bytes, largest)}</dd>
      </div>
      ${
        loss === undefined
          ? null
          : html`<div>
                <dt>${titleOf(loss.metric)}</dt>
                <dd>${figure(loss.value, unitOf(loss.metric))}</dd>
              </div>
              <div>
                <dt>Lost against float</dt>
                <dd>${loss.share !== null && loss.share <= 0 ? 'nothing' : smallShare(loss.share)}</dd>
              </div>`
      }${names
        .filter((name) => name !== loss?.metric)
        .map(
          (name) =>
            html`<div>
              <dt>${titleOf(name)}</dt>
              <dd>${figure(metrics?.[name], unitOf(name))}</dd>
            </div>`,
        )}${
        quantised === undefined
          ? null
          : html`<div>
              <dt>Operators in 8 bits</dt>
              <dd>${whole(quantised)}</dd>
            </div>`
      }${
        quantised === undefined && count === 0
          ? null
          : html`<div>
              <dt>Left in float</dt>
              <dd>${whole(count)}</dd>
            </div>`
      }
    </dl>
    ${recovery.length === 0 ? null : recoveryOf(recovery, loss?.metric)}`;
}

function recoveryOf(steps: NonNullable<ReportVariant['recovery']>, metric: string | undefined): Markup {
  return html`<h3 style="font-size:13px;margin:14px 0 0">How accuracy was got back</h3>
    <ol class="steps">
      ${steps.map(
        ({ step, metric: value, taken, words }) =>
          html`<li>
            <span class="${taken ? 'taken' : 'sub'}">${step}</span
            ><span class="${taken ? 'taken' : 'sub'}">${figure(value, metric === undefined ? 'value' : unitOf(metric))}</span
            ><span class="words ${taken ? '' : 'sub'}">${words}${!taken && html` <span class="badge idle">not kept</span>`}</span>
          </li>`,
      )}
    </ol>`;
}

const leftOf = (left: NonNullable<ReportVariant['left']>, count: number): Markup =>
  html`<details>
    <summary>What stayed in float, and why</summary>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>Node</th>
            <th>Operator</th>
            <th>Why</th>
          </tr>
        </thead>
        <tbody>
          ${left.map(
            ({ node, operator, words }) =>
              html`<tr>
                <td class="mono">${node}</td>
                <td>${operator}</td>
                <td>${words}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${count > left.length && html`<p class="note">and ${whole(count - left.length)} more</p>`}
  </details>`;
