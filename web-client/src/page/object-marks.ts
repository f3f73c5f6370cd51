import { partKinds } from '@serin/inference/bin-scene/parameters';
import type { Detection } from '@serin/inference/detections';
import type { FrameShape } from '@serin/inference/image-statistics';
import { svg } from './dom.ts';

const colours = 4;
/** Gives what it is put on the colour of that label. */
export const markClass = (label: number): string => `mark-${(label % colours) + 1}`;

const unknownKind = { length: 16, width: 16, symmetry: 1 };
const round = (value: number): string => value.toFixed(1);

/** The outline of a part of that kind around its centre, and where it points to; what looks the same from all sides points nowhere. */
function outline(label: string): SVGElement[] {
  const { length, width, symmetry } = partKinds.find((kind) => kind.label === label) ?? unknownKind;
  if (symmetry === Infinity) return [svg('circle', { r: length / 2 })];
  return [svg('rect', { x: -length / 2, y: -width / 2, width: length, height: width, rx: 2 }), svg('line', { x1: 0, y1: 0, x2: length / 2 + 4, y2: 0 })];
}

/** Faint where the model is hardly sure, never invisible. */
const opacity = (score: number): string => Math.min(1, Math.max(0.25, (score - 0.1) / 0.6)).toFixed(2);

function mark({ label, x, y, angle, score }: Detection, labels: readonly string[], isPick: boolean): SVGElement {
  const place = `translate(${round(x)} ${round(y)}) rotate(${round((angle * 180) / Math.PI)})`;
  const shape = outline(labels[label] ?? '');
  // Over a dark line of its own, so that it shows on bright metal too.
  const halo = svg('g', { class: 'halo' }, ...shape.map((part) => part.cloneNode() as SVGElement));
  const line = svg('g', { class: markClass(label) }, ...shape);
  return svg('g', { transform: place, opacity: opacity(score), ...(isPick ? { class: 'pick' } : {}) }, halo, line);
}

/** Draws what was detected over the picture; the first, which a robot would take, stands out. */
export function objectMarks({ width, height }: FrameShape, labels: readonly string[]): { element: SVGElement; update(detections: readonly Detection[]): void } {
  const element = svg('svg', { viewBox: `0 0 ${width} ${height}`, class: 'marks', 'aria-hidden': 'true' });
  return {
    element,
    update(detections) {
      element.replaceChildren(...detections.map((detection, index) => mark(detection, labels, index === 0)).toReversed());
    },
  };
}
