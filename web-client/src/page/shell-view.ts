import { html, setText } from './dom.ts';
import { showPill, type Tone } from './icons.ts';

export interface Shell {
  /** What fills the page below its title. */
  show(...parts: HTMLElement[]): void;
  title(model: string, detail: string): void;
  state(state: 'loading' | 'live' | 'ready' | 'refused' | 'stopped', tone: Tone, text: string): void;
}

export function createShell(root: HTMLElement): Shell {
  const name = html('h1', {}, 'Browser device');
  const detail = html('p', { 'data-testid': 'web-version' });
  const state = html('span', { class: 'pill', role: 'status', 'data-testid': 'web-state', 'data-state': 'loading' });
  const content = html('div', { class: 'grid' });
  root.replaceChildren(html('div', { class: 'title' }, html('div', {}, name, detail), state), content);
  return {
    show: (...parts) => content.replaceChildren(...parts),
    title(model, text) {
      setText(name, model);
      setText(detail, text);
      document.title = `${model} · Serin`;
    },
    state(value, tone, text) {
      state.dataset.state = value;
      showPill(state, tone, text);
    },
  };
}
