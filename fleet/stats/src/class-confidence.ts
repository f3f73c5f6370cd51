/**
 * How sure a model was of what it answered: for each class ten counts, of the tenths of confidence. Row by row in one
 * vector, so that windows merge by adding (`addCounts`), exactly.
 */

/** Tenths: [0, .1), [.1, .2) and so on, 1 in the last. */
export const CONFIDENCE_BINS = 10;

export const tenthOf = (confidence: number): number => Math.min(CONFIDENCE_BINS - 1, Math.max(0, Math.floor(confidence * CONFIDENCE_BINS)));

export const emptyClassConfidence = (classes: number): number[] => Array.from({ length: classes * CONFIDENCE_BINS }, () => 0);

/** Counts one prediction in place; a class that there is not and a confidence that is no number are left out and answered with false. */
export function countClass(counts: number[], label: number, confidence: number): boolean {
  if (!Number.isInteger(label) || label < 0 || (label + 1) * CONFIDENCE_BINS > counts.length || !Number.isFinite(confidence)) return false;
  const cell = label * CONFIDENCE_BINS + tenthOf(confidence);
  counts[cell] = counts[cell]! + 1;
  return true;
}

/** How often each class was answered. */
export function classTotals(counts: ArrayLike<number>): number[] {
  const totals = Array.from({ length: counts.length / CONFIDENCE_BINS }, () => 0);
  for (let cell = 0; cell < counts.length; cell++) totals[Math.floor(cell / CONFIDENCE_BINS)]! += counts[cell]!;
  return totals;
}

/** What is to be expected of one class against all others. */
export interface ExpectedClass {
  truePositives: number;
  falsePositives: number;
  falseNegatives: number;
  trueNegatives: number;
}

export interface ExpectedQuality {
  count: number;
  /** Share of right answers; NaN where nothing was counted. */
  accuracy: number;
  /** Of the accuracy: the luck of these predictions, and what was not known of the shares. */
  standardError: number;
  classes: ExpectedClass[];
}

export interface RightShares {
  /** Share of right answers: one for each tenth, or one for each cell of the counts. */
  readonly shares: ArrayLike<number>;
  /** Labelled examples behind each share, where it was measured; left out, shares are taken for exact. */
  readonly examples?: ArrayLike<number>;
}

/** What confidence claims of itself, where nobody has measured what it is worth. */
export const statedShares: RightShares = { shares: Array.from({ length: CONFIDENCE_BINS }, (_, tenth) => (tenth + 0.5) / CONFIDENCE_BINS) };

/** The shares that labelled answers had, by tenths; a tenth without any keeps its stated share, as good as unknown. */
export const measuredShares = (bins: readonly { readonly count: number; readonly right: number }[]): RightShares => ({
  shares: Array.from(statedShares.shares, (stated, tenth) => ((bins[tenth]?.count ?? 0) > 0 ? bins[tenth]!.right : stated)),
  examples: Array.from(statedShares.shares, (_, tenth) => bins[tenth]?.count ?? 0),
});

/**
 * Quality without labels, from the counts alone (confidence-based performance estimation).
 *
 * Assumes calibrated confidence: of the predictions in a cell the stated share is right, here and now. A change of what
 * comes before the model keeps that true only while inputs of equal confidence stay equally hard; a change of what the
 * right answer *is* (concept change) does not show at all. Which class a wrong answer missed is certain of two classes
 * only: of more, the wrong answers are shared among the other classes by how often those are answered. Of a detector the
 * accuracy is the precision to be expected; what it overlooked has no confidence.
 */
export function expectedQuality(counts: ArrayLike<number>, { shares, examples }: RightShares = statedShares): ExpectedQuality {
  if (counts.length % CONFIDENCE_BINS !== 0) throw new RangeError(`${counts.length} cells are no classes by tenths`);
  const places = shares.length;
  if ((places !== CONFIDENCE_BINS && places !== counts.length) || (examples !== undefined && examples.length !== places)) {
    throw new RangeError(`${places} shares, ${examples?.length ?? 'no'} examples for ${counts.length} cells`);
  }
  const totals = classTotals(counts);
  const right = totals.map(() => 0);
  const mass = new Float64Array(places);
  let luck = 0;
  for (let cell = 0; cell < counts.length; cell++) {
    const seen = counts[cell]!;
    const share = shares[cell % places]!;
    const label = Math.floor(cell / CONFIDENCE_BINS);
    right[label]! += seen * share;
    luck += seen * share * (1 - share);
    mass[cell % places]! += seen;
  }
  const count = totals.reduce((sum, total) => sum + total, 0);
  const accuracy = right.reduce((sum, expected) => sum + expected, 0) / count;
  let doubt = 0;
  if (examples !== undefined) mass.forEach((seen, place) => (doubt += seen === 0 ? 0 : seen * seen * shareVariance(shares[place]!, examples[place]!)));
  return { count, accuracy, standardError: Math.sqrt(luck + doubt) / count, classes: expectedClasses(totals, right) };
}

/** Of a share that so many examples measured, drawn towards a half by two more: a share of 1 out of three is not certain. */
function shareVariance(share: number, examples: number): number {
  const drawn = (share * examples + 1) / (examples + 2);
  return (drawn * (1 - drawn)) / Math.max(1, examples);
}

function expectedClasses(totals: readonly number[], right: readonly number[]): ExpectedClass[] {
  const count = totals.reduce((sum, total) => sum + total, 0);
  const missed = totals.map(() => 0);
  totals.forEach((total, label) => {
    const others = count - total;
    totals.forEach((weight, other) => {
      if (other === label) return;
      const part = others === 0 ? 1 / (totals.length - 1) : weight / others;
      missed[other]! += (total - right[label]!) * part;
    });
  });
  return totals.map((total, label) => {
    const truePositives = right[label]!;
    const falseNegatives = missed[label]!;
    return { truePositives, falsePositives: total - truePositives, falseNegatives, trueNegatives: count - total - falseNegatives };
  });
}
