import type { Random } from '@serin/inference/random';

import type { Severity } from '../measured.ts';

export interface PerturbContext {
  readonly random: Random;
  readonly signal: AbortSignal | undefined;
}

/** One thing that may happen to examples on the way to a model, at one severity. What it is given stays as it is. */
export interface Perturbation<Examples> {
  readonly kind: string;
  readonly severity: Severity;
  /** What it does, for people: `1.5 times as bright`. */
  readonly words: string;
  apply(examples: Examples, context: PerturbContext): Promise<Examples>;
}

export const severities: readonly Severity[] = [1, 2, 3];

/** Lets others have a turn, such as a signal that ends the work. */
export const breath = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Which of so many examples are looked at, in order: all, or a seeded draw. */
export function drawExamples(count: number, most: number, random: Random): Uint32Array {
  const all = Uint32Array.from({ length: count }, (_, index) => index);
  if (count <= most) return all;
  for (let place = 0; place < most; place += 1) {
    const other = place + random.integer(count - place);
    const kept = all[place] as number;
    all[place] = all[other] as number;
    all[other] = kept;
  }
  return all.slice(0, most).toSorted();
}
