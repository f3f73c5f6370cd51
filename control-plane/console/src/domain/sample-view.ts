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

export const markRadius = 6;
const tickEnd = 11;

/** From the ring outwards, the way an object points; a round one is told with no angle, and has none. */
export function tickOf({ x, y, angle }: { x: number; y: number; angle: number }): { x1: number; y1: number; x2: number; y2: number } | undefined {
  if (angle === 0) return undefined;
  const [right, down] = [Math.cos(angle), Math.sin(angle)];
  return { x1: x, y1: y, x2: x + tickEnd * right, y2: y + tickEnd * down };
}

/** Faint where the model is hardly sure, never invisible. */
export const markOpacity = (score: number): number => Math.min(1, Math.max(0.25, (score - 0.1) / 0.6));
