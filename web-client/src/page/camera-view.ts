import type { Classification } from '@serin/inference/postprocess';
import { frameHeight, frameWidth } from '@serin/inference/scene';
import { html, setText, type View } from './dom.ts';
import { milliseconds, percent, rate } from './format.ts';

export interface CameraFigures {
  /** The frame that was answered, RGB. */
  pixels: Uint8Array;
  answer: Classification;
  probabilities: ArrayLike<number>;
  ms: number;
  perSecond: number;
  p95Ms: number;
  frames: number;
  /** Of the frames whose truth is known; undefined before the first window. */
  wrongShare: number | undefined;
}

/** The bin camera with the answer beneath it. */
export function cameraView(labels: readonly string[]): View<CameraFigures> {
  const canvas = html('canvas', { width: frameWidth, height: frameHeight, role: 'img', 'aria-label': 'The rendered bin camera, seen from above' });
  const context = canvas.getContext('2d', { alpha: false });
  const image = new ImageData(frameWidth, frameHeight);
  image.data.fill(255);

  const answer = html('strong', { 'data-figure': 'prediction' }, '–');
  const confidence = html('span', { 'data-figure': 'confidence' });
  const classes = labels.map((label) => ({
    name: html('span', { class: 'name' }, label),
    bar: html('meter', { min: 0, max: 1, value: 0, 'aria-label': `Probability of ${label}` }),
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
    html('div', { class: 'view' }, canvas),
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
      draw(figures.pixels);
      setText(answer, labels[figures.answer.label] ?? 'No answer');
      setText(confidence, `${percent(figures.answer.confidence)} sure`);
      classes.forEach(({ name, bar, share }, index) => {
        const probability = figures.probabilities[index] ?? 0;
        bar.value = probability;
        setText(share, percent(probability));
        name.dataset.is = index === figures.answer.label ? 'answer' : 'other';
      });
      setText(perSecond.value, rate(figures.perSecond));
      setText(ms.value, milliseconds(figures.ms));
      setText(p95.value, milliseconds(figures.p95Ms));
      setText(frames.value, figures.frames.toLocaleString('en'));
      frames.value.dataset.count = String(figures.frames);
      if (figures.wrongShare !== undefined) setText(judged, `${percent(figures.wrongShare)} of the recent answers differ from what was rendered`);
    },
  };
}
