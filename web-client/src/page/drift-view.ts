import type { Profile } from '@serin/protocol/bundle/profile';
import { driftRule } from '@serin/stats/drift-detector';
import { designLight } from '@serin/inference/bin-scene/parameters';
import { evidenceShare, type DriftWatch, type StatisticDrift } from '../drift-watch.ts';
import { html, setText, type View } from './dom.ts';
import { histogramView } from './histogram-view.ts';
import { showPill, type Tone } from './icons.ts';

export interface LightSetting {
  level: number;
  warmth: number;
}

export interface DriftViewOptions {
  profile: Profile;
  setLight: (light: LightSetting) => void;
}

const shownStatistic = 'brightness';

/** Rarer than one reference window in fifty: worth a look, not yet an alert. */
const unusual = 0.02;

function verdictOf({ detector, psi, p }: StatisticDrift): { tone: Tone; text: string } {
  if (Number.isNaN(psi)) return { tone: 'idle', text: 'Not enough frames' };
  if (detector.alert) return { tone: 'bad', text: 'Drifting' };
  if (p <= unusual && psi >= driftRule.effectMin) return { tone: 'warn', text: 'Unusual' };
  return { tone: 'ok', text: 'As trained' };
}

/** The whole is as bad as its worst statistic. */
function overall({ statistics }: DriftWatch): { tone: Tone; text: string } {
  const order: readonly Tone[] = ['bad', 'warn', 'ok', 'idle'];
  const verdicts = statistics.map(verdictOf);
  return (
    order.map((tone) => verdicts.find((verdict) => verdict.tone === tone)).find((verdict) => verdict !== undefined) ?? { tone: 'idle', text: 'No profile' }
  );
}

function slider(name: string, key: string, range: { min: number; max: number; step: number; value: number }, show: (value: number) => string) {
  const shown = html('span', {}, show(range.value));
  const input = html('input', { type: 'range', 'data-slider': key, ...range });
  return { input, shown, show, element: html('label', {}, html('span', { class: 'name' }, name, shown), input) };
}

function lightControls(setLight: DriftViewOptions['setLight']): HTMLElement {
  const level = slider('Light', 'level', { min: 0.3, max: 1.5, step: 0.01, value: designLight.level }, (value) => `${Math.round(value * 100)} %`);
  const warmth = slider('Warmth', 'warmth', { min: 0, max: 1, step: 0.01, value: designLight.warmth }, (value) => value.toFixed(2));
  const reset = html('button', { type: 'button' }, 'As designed');
  const apply = (): void => {
    for (const { input, shown, show } of [level, warmth]) setText(shown, show(input.valueAsNumber));
    setLight({ level: level.input.valueAsNumber, warmth: warmth.input.valueAsNumber });
  };
  for (const { input } of [level, warmth]) input.addEventListener('input', apply);
  reset.addEventListener('click', () => {
    level.input.valueAsNumber = designLight.level;
    warmth.input.valueAsNumber = designLight.warmth;
    apply();
  });
  return html('div', { class: 'sliders' }, level.element, warmth.element, reset);
}

/** The light in the hall, and what it does to the statistics the profile froze. */
export function driftView({ profile, setLight }: DriftViewOptions): View<DriftWatch> {
  const shown = profile.statistics.find(({ name }) => name === shownStatistic) ?? profile.statistics[0];
  const chart = shown === undefined ? undefined : histogramView(shown.name, shown.edges, shown.counts);
  const verdict = html('span', { class: 'pill', role: 'status', 'data-figure': 'drift' });
  const rows = profile.statistics.map(({ name }) => {
    const psi = html('td', { class: 'number', 'data-psi': name }, '–');
    const evidence = html('meter', { min: 0, max: 1, value: 0, 'aria-label': `Evidence of drift in ${name}` });
    const state = html('span', { class: 'pill' });
    return { name, psi, evidence, state, row: html('tr', {}, html('td', {}, name), psi, html('td', {}, evidence), html('td', {}, state)) };
  });
  const table = html(
    'table',
    { class: 'statistics' },
    html(
      'thead',
      {},
      html(
        'tr',
        {},
        html('th', { scope: 'col' }, 'Statistic'),
        html('th', { scope: 'col', class: 'number' }, 'PSI'),
        html('th', { scope: 'col' }, 'Evidence, to an alert'),
        html('th', { scope: 'col' }, 'Now'),
      ),
    ),
    html('tbody', {}, ...rows.map(({ row }) => row)),
  );
  const progress = html('p', { class: 'note' });
  const element = html(
    'section',
    { class: 'card', 'aria-label': 'Light and drift' },
    html('header', {}, html('h2', {}, 'Light and drift'), verdict),
    lightControls(setLight),
    chart?.element,
    table,
    progress,
  );

  return {
    element,
    update(watch) {
      const { tone, text } = overall(watch);
      showPill(verdict, tone, text);
      setText(progress, `Judged every ${watch.framesPerWindow} frames; ${watch.pendingFrames} gathered. ${profile.assumption}`);
      for (const statistic of watch.statistics) {
        const row = rows.find(({ name }) => name === statistic.name);
        if (row === undefined) continue;
        const state = verdictOf(statistic);
        setText(row.psi, Number.isNaN(statistic.psi) ? '–' : statistic.psi.toFixed(2));
        row.evidence.value = evidenceShare(statistic.detector);
        showPill(row.state, state.tone, state.text);
        // Before the first full window, what was gathered so far shows that counting goes on.
        if (statistic.name === shown?.name) chart?.update({ live: Number.isNaN(statistic.psi) ? statistic.pending : statistic.counts });
      }
    },
  };
}
