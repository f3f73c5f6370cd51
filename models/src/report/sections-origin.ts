import type { Report } from '@serin/protocol/bundle/report';

import { sentence, byName, digits, figure, plural, whole } from './figures.ts';
import { html, type Markup } from './markup.ts';
import { barStrip, curvePlot } from './plots.ts';

/** What it was made from, how, and where. */

const labelsShown = 30;

export function dataSection({ data }: Report): Markup | null {
  if (data === undefined) return null;
  const { origin, dataset, version, digest, parts, columns = [], importanceMethod, frame } = data;
  const total = Math.max(
    1,
    parts.reduce((sum, { rows }) => sum + rows, 0),
  );
  const labels = [...new Set(parts.flatMap((part) => (part.labels ?? []).map(({ label }) => label)))];
  const withLabels = parts.filter((part) => part.labels !== undefined);
  return html`<section class="long" aria-labelledby="data">
    <h2 id="data">What it was made from</h2>
    <p class="note">${origin}</p>
    <dl class="pair">
      ${
        dataset !== undefined &&
        html`<dt>Dataset</dt>
          <dd>${dataset}${version === undefined ? '' : ` version ${version}`}</dd>`
      }${
        digest !== undefined &&
        html`<dt>Digest of the data</dt>
          <dd class="mono">${digest}</dd>`
      }${
        frame !== undefined &&
        html`<dt>Pictures</dt>
          <dd>${frame.width} × ${frame.height}, ${plural(frame.channels, 'channel')}</dd>`
      }
    </dl>
    <div class="two">
      <div>
        <h3>Parts</h3>
        <table>
          <tbody>
            ${parts.map(
              ({ name, rows }) =>
                html`<tr>
                  <td>${name}</td>
                  <td class="strip">${barStrip(rows, total)}</td>
                  <td class="n">${whole(rows)}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
      ${
        labels.length === 0
          ? null
          : html`<div>
              <h3>Classes, as shares of each part</h3>
              <div class="scroll">
                <table>
                  <thead>
                    <tr>
                      <th>Class</th>
                      ${withLabels.map(({ name }) => html`<th class="n">${name}</th>`)}
                    </tr>
                  </thead>
                  <tbody>
                    ${labels.slice(0, labelsShown).map(
                      (label) =>
                        html`<tr>
                          <td>${label}</td>
                          ${withLabels.map((part) => html`<td class="n">${figure((part.labels?.find((one) => one.label === label)?.count ?? 0) / Math.max(1, part.rows), 'share')}</td>`)}
                        </tr>`,
                    )}
                  </tbody>
                </table>
              </div>
              ${labels.length > labelsShown && html`<p class="note">and ${whole(labels.length - labelsShown)} more</p>`}
            </div>`
      }${columns.length === 0 ? null : columnsOf(columns, importanceMethod)}
    </div>
  </section>`;
}

const columnsShown = 20;

function columnsOf(columns: NonNullable<NonNullable<Report['data']>['columns']>, method: string | undefined): Markup {
  const most = Math.max(1e-12, ...columns.map(({ importance }) => importance ?? 0));
  return html`<div>
    <h3>Columns${method === undefined ? '' : `, by what they do for the answers (${method})`}</h3>
    <table>
      <thead>
        <tr>
          <th>Column</th>
          <th class="strip"></th>
          <th class="n">Missing</th>
        </tr>
      </thead>
      <tbody>
        ${columns.slice(0, columnsShown).map(
          ({ name, kind, missing, importance }) =>
            html`<tr>
              <td>${name}<br /><small>${kind}</small></td>
              <td class="strip">${importance === undefined ? null : barStrip(importance, most)}</td>
              <td class="n">${missing === undefined ? '–' : figure(missing, 'share')}</td>
            </tr>`,
        )}
      </tbody>
    </table>
    ${columns.length > columnsShown && html`<p class="note">and ${whole(columns.length - columnsShown)} more</p>`}
  </div>`;
}

export function trainingSection({ training }: Report): Markup | null {
  if (training === undefined) return null;
  const { seed, parameters = {}, weights, weightDigest, revision, series = [] } = training;
  const names = Object.keys(parameters).toSorted(byName);
  return html`<section class="long" aria-labelledby="training">
    <h2 id="training">How it was trained</h2>
    <dl class="facts" style="margin-bottom:12px">
      ${
        seed !== undefined &&
        html`<div>
          <dt>Seed</dt>
          <dd>${seed}</dd>
        </div>`
      }${
        weights !== undefined &&
        html`<div>
          <dt>Weights</dt>
          <dd>${whole(weights)}</dd>
        </div>`
      }${
        typeof revision === 'string' &&
        html`<div>
          <dt>Code</dt>
          <dd class="mono">${revision}</dd>
        </div>`
      }${
        weightDigest !== undefined &&
        html`<div style="grid-column:1/-1">
          <dt>Digest of the weights</dt>
          <dd class="mono">${weightDigest}</dd>
        </div>`
      }
    </dl>
    <div class="many" style="grid-template-columns:repeat(auto-fill,minmax(min(100%,280px),1fr))">
      ${series
        .filter(({ points }) => points.length > 1)
        .map(
          ({ name, points }) =>
            html`<figure>
              <figcaption>${name}<span>${digits(points.at(-1)?.[1] ?? Number.NaN)}</span></figcaption>
              ${curvePlot(points, `${name} over ${plural(points.length, 'point')}`)}
            </figure>`,
        )}
    </div>
    ${
      names.length === 0
        ? null
        : html`<details>
            <summary>All ${whole(names.length)} settings</summary>
            <dl class="pair">
              ${names.map(
                (name) =>
                  html`<dt class="mono">${name}</dt>
                    <dd>${String(parameters[name])}</dd>`,
              )}
            </dl>
          </details>`
    }
  </section>`;
}

export function environmentSection({ environment }: Report): Markup | null {
  if (environment === undefined) return null;
  const { product, node, ort, platform, arch, cpu, cpuFlags, threads, lockfile } = environment;
  return html`<section aria-labelledby="environment">
    <h2 id="environment">Where it was made</h2>
    <p class="note">Times are facts of this machine and no other.</p>
    <dl class="pair">
      <dt>Processor</dt>
      <dd>${cpu}, ${arch}${cpuFlags.length === 0 ? null : html`<br /><span class="sub">${cpuFlags.join(' ')}</span>`}</dd>
      <dt>System</dt>
      <dd>${platform}, ${plural(threads, 'thread')}</dd>
      <dt>Program</dt>
      <dd>Serin ${product}, Node ${node}, ONNX Runtime ${ort}</dd>
      <dt>Lockfile</dt>
      <dd class="mono">${lockfile ?? 'none'}</dd>
    </dl>
  </section>`;
}

export const assumptionSection = ({ assumptions }: Report): Markup | null =>
  assumptions.length === 0
    ? null
    : html`<section aria-labelledby="assumptions">
        <h2 id="assumptions">What these figures rest on</h2>
        <ul class="assume">
          ${assumptions.map((line) => html`<li>${sentence(line)}</li>`)}
        </ul>
      </section>`;
