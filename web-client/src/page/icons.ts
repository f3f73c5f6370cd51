import { svg } from './dom.ts';

/** States differ by shape as well as by colour. */
const shapes = {
  check: 'M2 6.5 4.8 9.2 10 3',
  cross: 'M2.8 2.8 9.2 9.2 M9.2 2.8 2.8 9.2',
  triangle: 'M6 1.8 10.8 10.2 H1.2 Z M6 5 V7.3 M6 8.6 V8.7',
  circle: 'M6 2 A4 4 0 1 1 5.999 2',
  dot: 'M6 4 A2 2 0 1 1 5.999 4',
} as const;

export type IconName = keyof typeof shapes;

export const icon = (name: IconName): SVGSVGElement =>
  svg(
    'svg',
    {
      viewBox: '0 0 12 12',
      fill: 'none',
      stroke: 'currentColor',
      'stroke-width': 1.6,
      'stroke-linecap': 'round',
      'stroke-linejoin': 'round',
      'aria-hidden': 'true',
    },
    svg('path', { d: shapes[name] }),
  );

export type Tone = 'ok' | 'warn' | 'bad' | 'info' | 'idle';

const toneIcons: Record<Tone, IconName> = { ok: 'check', warn: 'triangle', bad: 'cross', info: 'circle', idle: 'dot' };

/** Draws a state into an element already on the page, so that a live region announces the change. */
export function showPill(pill: HTMLElement, tone: Tone, text: string): void {
  if (pill.dataset.tone === tone && pill.textContent === text) return;
  pill.className = 'pill';
  pill.dataset.tone = tone;
  pill.replaceChildren(icon(toneIcons[tone]), text);
}
