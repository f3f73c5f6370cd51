import type { EdgeModelInfo } from '../edge-model.ts';
import { html } from './dom.ts';
import { bytes, difference, milliseconds, shortDigest } from './format.ts';
import { icon } from './icons.ts';

const fact = (name: string, ...what: (Node | string)[]): HTMLElement => html('div', {}, html('dt', {}, icon('check'), name), html('dd', {}, ...what));

const digestText = (digest: string): HTMLElement => html('code', { title: digest }, shortDigest(digest));

/** The common one, and those of outputs that have another. */
function toleranceWords({ goldenTolerance, goldenTolerances }: EdgeModelInfo): string {
  const own = Object.entries(goldenTolerances).filter(([, tolerance]) => tolerance !== goldenTolerance);
  return [brief(goldenTolerance), ...own.map(([name, tolerance]) => `${brief(tolerance)} of ${name}`)].join(', ');
}

const brief = (tolerance: number): number => Number(tolerance.toPrecision(3));

const chosenWords = ({ measured }: EdgeModelInfo): string => (measured.length < 2 ? ', the only one tried' : `, best of ${measured.length} tried here`);

const figuresOf = ({ bytes: size, p50Ms, p90Ms, code }: EdgeModelInfo['measured'][number]): string =>
  code === undefined ? `${bytes(size)}, median ${milliseconds(p50Ms ?? Number.NaN)}, nine of ten within ${milliseconds(p90Ms ?? Number.NaN)}` : `out, ${code}`;

const measuredList = ({ measured }: EdgeModelInfo): HTMLElement =>
  html(
    'ul',
    {},
    ...measured.map((one) =>
      html('li', { 'data-variant': one.variant, ...(one.detail === undefined ? {} : { title: one.detail }) }, `${one.variant}: ${figuresOf(one)}`),
    ),
  );

/** What this page checked by itself before the model was allowed to answer. */
export const verifiedView = (info: EdgeModelInfo): HTMLElement =>
  html(
    'section',
    { class: 'card wide', 'aria-label': 'What was verified' },
    html('header', {}, html('h2', {}, 'What was verified'), html('span', { class: 'note' }, 'By this page, before the first answer')),
    html(
      'dl',
      { class: 'facts' },
      fact(
        'Keyset',
        `version ${info.keysetVersion}, signed by the root `,
        html('code', {}, info.rootKeyId),
        info.rootIsPinned ? ', which this page was given beforehand' : ', believed from this origin',
      ),
      fact('Manifest', 'signed by the release key ', html('code', {}, info.releaseKeyId), ', digest ', digestText(info.manifestDigest)),
      fact(
        'Files',
        `${info.files.length} files, ${bytes(info.bundleBytes)}: every chunk and every whole by SHA-256, `,
        info.bytesFetched === 0 ? 'all from the cache of verified files' : `${bytes(info.bytesFetched)} fetched`,
      ),
      fact(
        'Golden vectors',
        html('span', { 'data-figure': 'golden' }, `largest difference ${difference(info.goldenMaxDifference)}, allowed ${toleranceWords(info)}`),
      ),
      fact('Variant', html('span', { 'data-figure': 'variant' }, info.variant), chosenWords(info), measuredList(info)),
      fact('Backend', `${info.backend}, ${info.backendReason}`),
      fact(
        'Warm-up',
        `loaded in ${milliseconds(info.loadMs)}, median run ${milliseconds(info.p50Ms)}`,
        info.storage === 'cache' ? '' : `; files kept in memory only: ${info.storageReason}`,
      ),
    ),
  );
