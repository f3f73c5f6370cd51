import { errorCatalogue, type SerinError } from '@serin/protocol/errors';
import { loadPhases, type LoadProgress } from '../edge-model.ts';
import { html, setText, type View } from './dom.ts';
import { bytes } from './format.ts';
import { icon } from './icons.ts';

const phaseNames: Record<LoadProgress['phase'], string> = { download: 'Download', verify: 'Verify', compile: 'Compile', 'warm-up': 'Warm up' };

const detailOf = ({ phase, done, total }: LoadProgress): string => (phase === 'download' && total > 1 ? `${bytes(done)} of ${bytes(total)}` : '');

export interface LoadingView extends View<LoadProgress> {
  /** Marks the phase that was under way; none was if it is still hidden. */
  fail(): void;
}

/** The four phases a model goes through before it may answer; not shown before the first of them begins. */
export function loadingView(): LoadingView {
  const rows = loadPhases.map((phase) => {
    const mark = html('span', {}, icon('dot'));
    const bar = html('progress', { max: 1, value: 0, 'aria-label': phaseNames[phase] });
    const note = html('span', { class: 'note' });
    const item = html('li', { 'data-state': 'waiting' }, html('span', { class: 'name' }, mark, phaseNames[phase]), bar, note);
    return { phase, mark, bar, note, item };
  });
  const element = html('section', { class: 'card wide', 'aria-label': 'Loading the model' }, html('ol', { class: 'phases' }, ...rows.map(({ item }) => item)));

  element.hidden = true;

  const update = (progress: LoadProgress): void => {
    element.hidden = false;
    const at = loadPhases.indexOf(progress.phase);
    rows.forEach(({ item, mark, bar, note }, index) => {
      const share = progress.total === 0 ? 0 : progress.done / progress.total;
      const state = index < at || (index === at && share >= 1) ? 'done' : index === at ? 'now' : 'waiting';
      bar.value = state === 'done' ? 1 : state === 'now' ? share : 0;
      if (index === at) setText(note, detailOf(progress));
      if (item.dataset.state === state) return;
      item.dataset.state = state;
      mark.replaceChildren(icon(state === 'done' ? 'check' : state === 'now' ? 'circle' : 'dot'));
    });
  };
  const fail = (): void => {
    const row = rows.find(({ item }) => item.dataset.state === 'now');
    if (row === undefined) return;
    row.item.dataset.state = 'failed';
    row.mark.replaceChildren(icon('cross'));
  };
  return { element, update, fail };
}

/** Why nothing runs here, in the catalogue's words: what happened, exactly what, what to do, which code. */
export function refusalView(error: SerinError, retry: () => void): HTMLElement {
  const again = html('button', { type: 'button' }, 'Try again');
  again.addEventListener('click', retry);
  const { message } = errorCatalogue[error.code];
  return html(
    'section',
    { class: 'card wide refusal', role: 'alert' },
    html('header', {}, html('h2', {}, message), again),
    error.detail === undefined ? undefined : html('p', { class: 'detail' }, error.detail),
    html('p', {}, `${error.hint}.`),
    html('p', { class: 'code', 'data-code': error.code }, error.code),
  );
}
