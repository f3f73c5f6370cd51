export interface Classification {
  /** Index of the most probable class; -1 when the output is not finite. */
  readonly label: number;
  readonly confidence: number;
  readonly finite: boolean;
}

/** Reads one row of class probabilities. A row with any non-finite value is no answer at all. */
export function readProbabilities(probabilities: ArrayLike<number>, classes: number = probabilities.length, offset = 0): Classification {
  let label = -1;
  let confidence = -Infinity;
  for (let index = 0; index < classes; index += 1) {
    const value = probabilities[offset + index];
    if (value === undefined || !Number.isFinite(value)) return { label: -1, confidence: 0, finite: false };
    if (value > confidence) {
      confidence = value;
      label = index;
    }
  }
  return label === -1 ? { label, confidence: 0, finite: false } : { label, confidence, finite: true };
}
