import type { Answer } from '@serin/device/answer';
import type { FrameShape } from '@serin/inference/image-statistics';
import { html, setText, type View } from './dom.ts';
import { milliseconds, percent, rate } from './format.ts';
import { markClass, objectMarks } from './object-marks.ts';

export interface CameraFigures {
  /** The frame that was answered, RGB. */
  pixels: Uint8Array;
  answer: Answer;
  ms: number;
  perSecond: number;
  p95Ms: number;
  frames: number;
  /** Of the frames whose truth is known; undefined before the first window. */
  wrongShare: number | undefined;
}

interface Seen {
  label: number;
  score: number;
}

/** What was seen, the surest first: the objects of a detector, the one label of a classifier. */
const seenIn = (answer: Answer): readonly Seen[] =>
  'detections' in answer ? answer.detections : answer.finite ? [{ label: answer.label, score: answer.confidence }] : [];

/** The bin camera with what is seen in it beneath. */
export function cameraView(labels: readonly string[], shape: FrameShape): View<CameraFigures> {
  const canvas = html('canvas', { width: shape.width, height: shape.height, role: 'img', 'aria-label': 'The rendered bin camera, seen from above' });
  const context = canvas.getContext('2d', { alpha: false });
  const image = new ImageData(shape.width, shape.height);
  image.data.fill(255);
  const marks = objectMarks(shape, labels);

  const answer = html('strong', { 'data-figure': 'prediction' }, '–');
  const confidence = html('span', { 'data-figure': 'confidence' });
  const classes = labels.map((label, index) => ({
    name: html('span', { class: 'name' }, html('i', { class: markClass(index) }), label),
    bar: html('meter', { min: 0, max: 1, value: 0, 'aria-label': `Mean score of ${label}` }),
    share: html('span', { class: 'share' }),
  }));
  const figure = (name: string, key: string) => {
    const value = html('dd', { 'data-figure': key }, '–');
    return { value, row: html('div', {}, html('dt', {}, name), value) };
  };
  const perSecond = figure('Per second', 'rate');
  const ms = figure('Latest', 'ms');
  const p95 = figure('95 % within', 'p95');
  const frames = figure('Frames', 'frames');
  frames.value.dataset.testid = 'web-inferences';
  const judged = html('p', { class: 'note judged' });

  const element = html(
    'section',
    { class: 'card camera', 'aria-label': 'Camera' },
    html('header', {}, html('h2', {}, 'Camera'), html('span', { class: 'note' }, 'Rendered in this page; no image leaves it')),
    html('div', { class: 'view' }, html('div', { class: 'picture' }, canvas, marks.element)),
    html('p', { class: 'answer' }, answer, confidence),
    html('div', { class: 'classes' }, ...classes.flatMap(({ name, bar, share }) => [name, bar, share])),
    html('dl', { class: 'figures' }, perSecond.row, ms.row, p95.row, frames.row),
    judged,
  );

  const draw = (pixels: Uint8Array): void => {
    for (let from = 0, to = 0; to < image.data.length; from += 3, to += 4) {
      image.data[to] = pixels[from] ?? 0;
      image.data[to + 1] = pixels[from + 1] ?? 0;
      image.data[to + 2] = pixels[from + 2] ?? 0;
    }
    context?.putImageData(image, 0, 0);
  };

  return {
    element,
    update(figures) {
      const seen = seenIn(figures.answer);
      const [first] = seen;
      draw(figures.pixels);
      marks.update('detections' in figures.answer ? figures.answer.detections : []);
      setText(answer, first === undefined ? 'Nothing' : (labels[first.label] ?? 'No answer'));
      setText(
        confidence,
        first === undefined ? '' : `${'detections' in figures.answer ? `first of ${seen.length} to pick, ` : ''}${percent(first.score)} sure`,
      );
      classes.forEach(({ name, bar, share }, index) => {
        const own = seen.filter(({ label }) => label === index);
        bar.value = own.reduce((sum, { score }) => sum + score, 0) / Math.max(1, own.length);
        setText(share, own.length === 0 ? '–' : `${own.length} ×`);
        name.dataset.is = index === first?.label ? 'answer' : 'other';
      });
      setText(perSecond.value, rate(figures.perSecond));
      setText(ms.value, milliseconds(figures.ms));
      setText(p95.value, milliseconds(figures.p95Ms));
      setText(frames.value, figures.frames.toLocaleString('en'));
      frames.value.dataset.count = String(figures.frames);
      if (figures.wrongShare !== undefined) setText(judged, `${percent(figures.wrongShare)} of the recent answers would have failed the picker`);
    },
  };
}
