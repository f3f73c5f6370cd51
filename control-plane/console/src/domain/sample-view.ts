import type { Sample } from '@serin/protocol/api/resources';

type Answer = Sample['predicted'] | NonNullable<Sample['truth']>;

/** "bolt" of a classifier, "3 bolt, 1 nut" of a detector. */
export function answerWords(answer: Answer): string {
  if (!('objects' in answer)) return answer.label;
  if (answer.objects.length === 0) return 'nothing';
  const counts = new Map<string, number>();
  for (const { label } of answer.objects) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts]
    .toSorted(([left], [right]) => left.localeCompare(right))
    .map(([label, count]) => `${count} ${label}`)
    .join(', ');
}

/** Under a picture there is room for one figure: the label, or how many parts were seen. */
export function answerTitle(answer: Sample['predicted']): string {
  if (!('objects' in answer)) return answer.label;
  const { length } = answer.objects;
  return length === 1 ? '1 part' : `${length} parts`;
}

/** Of one label, or of the detected objects on average; null where nothing was detected. */
export function answerConfidence(answer: Sample['predicted']): number | null {
  if (!('objects' in answer)) return answer.confidence;
  const { objects } = answer;
  return objects.length === 0 ? null : objects.reduce((sum, { score }) => sum + score, 0) / objects.length;
}

/** What lies on the frames, in one order whatever came first: a label's place gives it its colour. */
export function objectLabels(samples: readonly Sample[]): string[] {
  const labels = new Set<string>();
  for (const { predicted, truth } of samples) {
    for (const answer of [predicted, truth]) {
      if (answer !== null && 'objects' in answer) for (const { label } of answer.objects) labels.add(label);
    }
  }
  return [...labels].toSorted((left, right) => left.localeCompare(right));
}

export interface Mark {
  x: number;
  y: number;
  /** Where the tick ends that shows the way it points. */
  toX: number;
  toY: number;
}

export const markRadius = 7;
const tickLength = 12;

export const markOf = ({ x, y, angle }: { x: number; y: number; angle: number }): Mark => ({
  x,
  y,
  toX: x + tickLength * Math.cos(angle),
  toY: y + tickLength * Math.sin(angle),
});
