import type { Estimate } from '@serin/protocol/api/runs';
import type { CalibrationBin } from '@serin/protocol/bundle/report';

import { digits } from './figures.ts';
import { html, type Markup } from './markup.ts';
import { niceScale, px, share, type Scale } from './scale.ts';

/** Drawings. Strips are as wide as their place and put things by per cent; the others have a size of their own and shrink on phones. */

export type Tone = 'ink' | 'ink-3' | 'ok' | 'bad' | 'one';
const colour = (tone: Tone): string => `var(--${tone})`;

/** A figure with its interval on a line of its own, other figures of the same kind beside it. */
export function intervalStrip(
  estimate: Partial<Estimate> & { value: number },
  scale: Scale,
  { tone = 'ink' as Tone, reference, diamond, ring }: StripMarks = {},
): Markup {
  const { value, low = value, high = value } = estimate;
  return html`<svg class="wide" height="22" aria-hidden="true">
    ${gridOf(scale, 22)}${reference === undefined ? null : line(scale, reference, 'var(--ink-3)', '3 3')}
    <line
      x1="${share(scale.at(low))}"
      x2="${share(scale.at(high))}"
      y1="11"
      y2="11"
      stroke="${colour(tone)}"
      stroke-width="3"
      stroke-linecap="round"
      stroke-opacity=".42"
    />
    ${
      ring === undefined ? null : html`<circle cx="${share(scale.at(ring))}" cy="11" r="4" fill="var(--surface)" stroke="var(--two)" stroke-width="2" />`
    }${diamond === undefined || diamond < scale.low ? null : html`<svg x="${share(scale.at(diamond))}" y="11" overflow="visible"><path d="M0-5 5 0 0 5-5 0Z" fill="var(--surface)" stroke="var(--ink-3)" stroke-width="1.6" /></svg>`}
    <circle cx="${share(scale.at(value))}" cy="11" r="4.5" fill="${colour(tone)}" />
  </svg>`;
}

interface StripMarks {
  readonly tone?: Tone;
  /** A dashed line: of all examples. */
  readonly reference?: number | undefined;
  /** Of the simple model. */
  readonly diamond?: number | undefined;
  /** Of the version that serves. */
  readonly ring?: number | undefined;
}

const line = (scale: Scale, at: number, stroke: string, dash: string): Markup =>
  html`<line x1="${share(scale.at(at))}" x2="${share(scale.at(at))}" y1="0" y2="100%" stroke="${stroke}" stroke-dasharray="${dash}" />`;

const gridOf = (scale: Scale, height: number): Markup =>
  html`${scale.ticks.map((tick) => html`<line x1="${share(scale.at(tick))}" x2="${share(scale.at(tick))}" y1="0" y2="${height}" stroke="var(--line)" />`)}`;

/** The figures below strips that share a scale; the outer ones stay inside. */
export function axisStrip(scale: Scale, print: (tick: number) => string): Markup {
  const anchor = (tick: number): string => (scale.at(tick) < 0.06 ? 'start' : scale.at(tick) > 0.94 ? 'end' : 'middle');
  return html`<svg class="wide" height="16" aria-hidden="true">
    ${scale.ticks.map((tick) => html`<text x="${share(scale.at(tick))}" y="12" text-anchor="${anchor(tick)}">${print(tick)}</text>`)}
  </svg>`;
}

/** A bar from nothing, with ticks beyond it. */
export const barStrip = (value: number, most: number, { ticks = [], tone = 'one' }: { ticks?: readonly number[]; tone?: Tone } = {}): Markup =>
  html`<svg class="wide" height="18" aria-hidden="true">
    <rect x="0" y="3" width="100%" height="12" rx="3" fill="var(--sunken)" />
    ${ticks.map((tick) => html`<rect x="0" y="3" width="${share(tick / most)}" height="12" rx="3" fill="${colour(tone)}" fill-opacity=".28" />`)}
    <rect x="0" y="3" width="${share(Math.max(0.004, value / most))}" height="12" rx="3" fill="${colour(tone)}" />
  </svg>`;

interface Frame {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly bottom: number;
  readonly top: number;
  readonly right: number;
}

const xIn = ({ width, left, right }: Frame, at: number): number => left + at * (width - left - right);
const yIn = ({ height, top, bottom }: Frame, at: number): number => height - bottom - at * (height - top - bottom);

function axes(frame: Frame, x: Scale, y: Scale, print: { x: (tick: number) => string; y: (tick: number) => string }): Markup {
  const [x0, x1] = [xIn(frame, 0), xIn(frame, 1)];
  return html`${y.ticks.map(
    (tick) =>
      html`<line x1="${px(x0)}" x2="${px(x1)}" y1="${px(yIn(frame, y.at(tick)))}" y2="${px(yIn(frame, y.at(tick)))}" stroke="var(--line)" /><text
          x="${px(x0 - 6)}"
          y="${px(yIn(frame, y.at(tick)) + 4)}"
          text-anchor="end"
          >${print.y(tick)}</text
        >`,
  )}${x.ticks.map((tick) => html`<text x="${px(xIn(frame, x.at(tick)))}" y="${frame.height - frame.bottom + 16}" text-anchor="middle">${print.x(tick)}</text>`)}`;
}

const pathOf = (points: readonly (readonly [x: number, y: number])[]): string =>
  points.map(([x, y], place) => `${place === 0 ? 'M' : 'L'}${px(x)} ${px(y)}`).join('');

const perCent = (value: number): string => `${Math.round(100 * value)}`;

/** Said against true, a dot a bin as large as it has examples; on the diagonal confidence is right. */
export function reliabilityPlot(bins: readonly CalibrationBin[], words: string): Markup {
  const frame: Frame = { width: 340, height: 300, left: 40, bottom: 38, top: 10, right: 10 };
  const unit = niceScale([0, 1], { floor: 0, ceiling: 1 });
  const most = Math.max(1, ...bins.map(({ count }) => count));
  const at = (x: number, y: number): [number, number] => [xIn(frame, unit.at(x)), yIn(frame, unit.at(y))];
  const [from, to] = [at(0, 0), at(1, 1)];
  return html`<svg viewBox="0 0 ${frame.width} ${frame.height}" width="${frame.width}" height="${frame.height}" role="img" aria-label="${words}">
    ${axes(frame, unit, unit, { x: perCent, y: perCent })}
    <line x1="${px(from[0])}" y1="${px(from[1])}" x2="${px(to[0])}" y2="${px(to[1])}" stroke="var(--ink-3)" stroke-dasharray="4 4" />
    ${bins.map(({ confidence, right }) => {
      const [x, y] = at(confidence, right);
      const [, ideal] = at(confidence, confidence);
      return html`<line
        x1="${px(x)}"
        x2="${px(x)}"
        y1="${px(ideal)}"
        y2="${px(y)}"
        stroke="${right < confidence ? 'var(--bad)' : 'var(--ok)'}"
        stroke-width="2"
        stroke-opacity=".55"
      />`;
    })}
    <path d="${pathOf(bins.map(({ confidence, right }) => at(confidence, right)))}" fill="none" stroke="var(--one)" stroke-width="1.5" stroke-opacity=".5" />
    ${bins.map(({ confidence, right, count }) => {
      const [x, y] = at(confidence, right);
      return html`<circle cx="${px(x)}" cy="${px(y)}" r="${px(2.5 + 6.5 * Math.sqrt(count / most))}" fill="var(--one)" fill-opacity=".85" />`;
    })}
    <text x="${px(xIn(frame, 0.5))}" y="${frame.height - 4}" text-anchor="middle">confidence, per cent</text>
    <text transform="translate(11 ${px(yIn(frame, 0.5))}) rotate(-90)" text-anchor="middle">right, per cent</text>
  </svg>`;
}

/** The metric from undisturbed to the strongest disturbance, with its intervals. */
export function fallPlot(
  points: readonly { readonly severity: number; readonly estimate: Estimate | null }[],
  clean: number,
  y: Scale,
  print: (tick: number) => string,
  words: string,
): Markup {
  const frame: Frame = { width: 230, height: 130, left: 44, bottom: 22, top: 8, right: 10 };
  const known = points.flatMap(({ severity, estimate }) => (estimate === null ? [] : [{ severity, ...estimate }]));
  const all = [{ severity: 0, value: clean, low: clean, high: clean }, ...known];
  const most = Math.max(1, ...points.map(({ severity }) => severity));
  const x: Scale = { low: 0, high: most, at: (value) => value / most, ticks: [0, ...new Set(points.map(({ severity }) => severity))] };
  const at = (severity: number, value: number): [number, number] => [xIn(frame, x.at(severity)), yIn(frame, y.at(value))];
  const band = [...all.map(({ severity, high }) => at(severity, high)), ...all.toReversed().map(({ severity, low }) => at(severity, low))];
  const [, level] = at(0, clean);
  return html`<svg viewBox="0 0 ${frame.width} ${frame.height}" width="${frame.width}" height="${frame.height}" role="img" aria-label="${words}">
    ${axes(frame, x, y, { x: (tick) => (tick === 0 ? 'none' : digits(tick, 3)), y: print })}
    <line x1="${px(xIn(frame, 0))}" x2="${px(xIn(frame, 1))}" y1="${px(level)}" y2="${px(level)}" stroke="var(--ink-3)" stroke-dasharray="3 3" />
    <path d="${pathOf(band)}Z" fill="var(--one)" fill-opacity=".18" />
    <path d="${pathOf(all.map(({ severity, value }) => at(severity, value)))}" fill="none" stroke="var(--one)" stroke-width="2" stroke-linejoin="round" />
    ${all.map(({ severity, value }) => {
      const [cx, cy] = at(severity, value);
      return html`<circle cx="${px(cx)}" cy="${px(cy)}" r="3" fill="var(--one)" />`;
    })}
  </svg>`;
}

/** A curve over the steps of a training. */
export function curvePlot(points: readonly (readonly [number, number])[], words: string): Markup {
  const frame: Frame = { width: 310, height: 150, left: 48, bottom: 22, top: 8, right: 14 };
  const x = {
    ...niceScale(
      points.map(([step]) => step),
      { ticks: 4 },
    ),
    low: points[0]?.[0] ?? 0,
    high: points.at(-1)?.[0] ?? 1,
  };
  const width = x.high - x.low || 1;
  const along: Scale = { ...x, at: (value) => (value - x.low) / width, ticks: x.ticks.filter((tick) => tick >= x.low && tick <= x.high) };
  const y = niceScale(
    points.map(([, value]) => value),
    { ticks: 4 },
  );
  const path = pathOf(points.map(([step, value]) => [xIn(frame, along.at(step)), yIn(frame, y.at(value))]));
  return html`<svg viewBox="0 0 ${frame.width} ${frame.height}" width="${frame.width}" height="${frame.height}" role="img" aria-label="${words}">
    ${axes(frame, along, y, { x: (tick) => digits(tick), y: (tick) => digits(tick, 3) })}
    <path d="${path}" fill="none" stroke="var(--one)" stroke-width="1.6" stroke-linejoin="round" />
  </svg>`;
}

/** Many classes: cells without figures, as dark as the share of the row. */
export function heatPlot(counts: readonly (readonly number[])[], words: string): Markup {
  const rows = counts.length;
  const columns = Math.max(0, ...counts.map((row) => row.length));
  const cell = Math.max(4, Math.min(16, Math.floor(440 / Math.max(1, columns))));
  const cells = counts.flatMap((row, truth) => {
    const all = row.reduce((sum, count) => sum + count, 0);
    return row.flatMap((count, answer) =>
      count === 0
        ? []
        : [
            html`<rect
              x="${answer * cell}"
              y="${truth * cell}"
              width="${cell - 1}"
              height="${cell - 1}"
              fill="${truth === answer ? 'var(--ok)' : 'var(--bad)'}"
              fill-opacity="${px(0.15 + 0.85 * Math.sqrt(count / all))}"
            />`,
          ],
    );
  });
  return html`<svg viewBox="0 0 ${columns * cell} ${rows * cell}" width="${columns * cell}" height="${rows * cell}" role="img" aria-label="${words}">
    <rect width="100%" height="100%" fill="var(--sunken)" />
    ${cells}
  </svg>`;
}

/** Passed, or not: told by shape as well as by colour. */
export const markOf = (passed: boolean, size = 16): Markup =>
  passed
    ? html`<svg class="mark ok" width="${size}" height="${size}" viewBox="0 0 16 16" role="img" aria-label="passed">
        <circle cx="8" cy="8" r="7.5" fill="currentColor" fill-opacity=".16" />
        <path d="m4.6 8.3 2.4 2.4 4.5-5" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" />
      </svg>`
    : html`<svg class="mark bad" width="${size}" height="${size}" viewBox="0 0 16 16" role="img" aria-label="not passed">
        <path d="M5.2.8h5.6l4.4 4.4v5.6l-4.4 4.4H5.2L.8 10.8V5.2Z" fill="currentColor" fill-opacity=".16" />
        <path d="m5.4 5.4 5.2 5.2m0-5.2-5.2 5.2" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" />
      </svg>`;

/** The small drawing of a legend. */
export function key(shape: 'dot' | 'ring' | 'diamond' | 'worse' | 'better'): Markup {
  const drawings = {
    dot: html`<circle cx="6" cy="6" r="4.5" fill="var(--ink)" />`,
    ring: html`<circle cx="6" cy="6" r="4" fill="none" stroke="var(--two)" stroke-width="2" />`,
    diamond: html`<path d="M6 1l5 5-5 5-5-5Z" fill="none" stroke="var(--ink-3)" stroke-width="1.6" />`,
    worse: html`<circle cx="6" cy="6" r="4.5" fill="var(--bad)" />`,
    better: html`<circle cx="6" cy="6" r="4.5" fill="var(--ok)" />`,
  };
  return html`<svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">${drawings[shape]}</svg>`;
}
