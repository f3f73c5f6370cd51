import { totalCount } from '@serin/stats/histogram';
import { html, setText, svg, type View } from './dom.ts';
import { percent } from './format.ts';

export interface HistogramData {
  /** Counts in the profile's cells, `[under, bins…, over, nan]`. */
  live: readonly number[];
}

const width = 520;
const height = 176;
const inset = { top: 8, right: 4, bottom: 22, left: 44 };
const gap = 2;
/** Tops of the scale: few, so that it does not breathe with every window. */
const scales = [0.1, 0.2, 0.4, 1];

const shortNumber = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));

/** Live shares over the reference's, cell by cell: the cells are the frozen ones, so what is drawn is what is counted. */
export function histogramView(name: string, edges: readonly number[], reference: readonly number[]): View<HistogramData> {
  const cells = edges.length + 1;
  const referenceTotal = Math.max(1, totalCount(reference));
  const referenceShares = reference.slice(0, cells).map((count) => count / referenceTotal);
  const plotHeight = height - inset.top - inset.bottom;
  const step = (width - inset.left - inset.right) / cells;
  const x = (cell: number): number => inset.left + cell * step;
  const floor = inset.top + plotHeight;

  const area = svg('path', { class: 'reference-area' });
  const outline = svg('path', { class: 'reference' });
  const bars = referenceShares.map((_, cell) => svg('rect', { class: 'live', x: x(cell) + gap / 2, width: Math.max(1, step - gap), y: floor, height: 0 }));
  const grid = [0, 0.5, 1].map((part) => svg('text', { x: inset.left - 8, y: floor - part * plotHeight + 4, 'text-anchor': 'end' }));
  const tickEvery = Math.max(1, Math.ceil(edges.length / 6));
  const ticks = edges
    .map((edge, index) => ({ edge, index }))
    .filter(({ index }) => index === edges.length - 1 || (index % tickEvery === 0 && edges.length - 1 - index >= tickEvery / 2))
    .map(({ edge, index }) => svg('text', { x: x(index + 1), y: height - 6, 'text-anchor': 'middle' }, shortNumber(edge)));
  const chart = svg(
    'svg',
    { class: 'chart', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `Distribution of ${name}: live frames over the reference` },
    area,
    ...bars,
    outline,
    svg('path', { class: 'axis', d: `M${inset.left} ${floor}H${width - inset.right}` }),
    ...grid,
    ...ticks,
  );

  const cellName = (cell: number): string => {
    if (cell === 0) return `below ${shortNumber(edges[0] ?? 0)}`;
    if (cell === cells - 1) return `above ${shortNumber(edges.at(-1) ?? 0)}`;
    return `${shortNumber(edges[cell - 1] ?? 0)} to ${shortNumber(edges[cell] ?? 0)}`;
  };
  const liveCells = referenceShares.map(() => html('td', { class: 'number' }, '–'));
  const table = html(
    'table',
    {},
    html(
      'thead',
      {},
      html(
        'tr',
        {},
        html('th', { scope: 'col' }, name),
        html('th', { scope: 'col', class: 'number' }, 'Reference'),
        html('th', { scope: 'col', class: 'number' }, 'Live'),
      ),
    ),
    html(
      'tbody',
      {},
      ...referenceShares.map((share, cell) => html('tr', {}, html('td', {}, cellName(cell)), html('td', { class: 'number' }, percent(share)), liveCells[cell])),
    ),
  );
  const legend = html('div', { class: 'legend' }, html('span', { class: 'of-reference' }, html('i'), 'reference'), html('span', {}, html('i'), 'live'));
  const element = html('div', {}, legend, html('figure', { class: 'figure' }, chart), html('details', {}, html('summary', {}, 'View as table'), table));

  let top = 0;
  const y = (share: number): number => inset.top + plotHeight * (1 - share / top);
  const scaleTo = (largest: number): void => {
    const wanted = scales.find((scale) => scale >= largest) ?? 1;
    if (wanted === top) return;
    top = wanted;
    const steps = referenceShares.map((share, cell) => `${cell === 0 ? 'M' : 'L'}${x(cell)} ${y(share)}H${x(cell + 1)}`).join('');
    outline.setAttribute('d', steps);
    area.setAttribute('d', `${steps}V${floor}H${inset.left}Z`);
    grid.forEach((label, index) => setText(label, percent((top * index) / 2)));
  };
  scaleTo(Math.max(...referenceShares));

  return {
    element,
    update({ live }) {
      const total = Math.max(1, totalCount(live));
      const shares = live.slice(0, cells).map((count) => count / total);
      scaleTo(Math.max(...referenceShares, ...shares));
      bars.forEach((bar, cell) => {
        const share = shares[cell] ?? 0;
        bar.setAttribute('y', String(y(share)));
        bar.setAttribute('height', String(floor - y(share)));
        const shown = liveCells[cell];
        if (shown !== undefined) setText(shown, percent(share));
      });
    },
  };
}
