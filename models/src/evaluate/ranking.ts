import { readProbabilities } from '@serin/inference/postprocess';

/**
 * Metrics of classifiers, each prepared once on a set and then asked about resamples of it: `metric(counts)` is its value
 * when row i is there `counts[i]` times. What is costly (sorting by score) is done before, so a thousand resamples are cheap.
 * A metric that the rows do not define (one class only, no rows) is NaN.
 */
export type Counted = (counts: ArrayLike<number>) => number;

export interface ClassAnswers {
  /** Row by row, one a class. */
  readonly probabilities: ArrayLike<number>;
  /** Index of the true class. */
  readonly labels: ArrayLike<number>;
  readonly classes: number;
}

/** Each row once. */
export const everyRow = (rows: number): Uint8Array => new Uint8Array(rows).fill(1);

/** One column of the probabilities. */
export const scoresOf = ({ probabilities, labels, classes }: ClassAnswers, place: number): Float64Array =>
  Float64Array.from({ length: labels.length }, (_, row) => probabilities[row * classes + place] ?? Number.NaN);

/** Rows from the highest score down, with where each group of equal scores ends. NaN comes last: no answer is the weakest one. */
function descending(scores: ArrayLike<number>): { order: Uint32Array; ends: Uint32Array } {
  const keyed = Float64Array.from(scores, (score) => (Number.isNaN(score) ? -Infinity : score));
  const order = Uint32Array.from(keyed, (_, row) => row).sort((one, other) => (keyed[other] ?? 0) - (keyed[one] ?? 0) || one - other);
  const ends: number[] = [];
  for (let place = 1; place <= order.length; place += 1) {
    if (place === order.length || keyed[order[place] ?? 0] !== keyed[order[place - 1] ?? 0]) ends.push(place);
  }
  return { order, ends: Uint32Array.from(ends) };
}

/** Area under the ROC curve: the chance that a positive row scores above a negative one, ties half. */
export function auc(scores: ArrayLike<number>, isPositive: ArrayLike<number>): Counted {
  const { order, ends } = descending(scores);
  return (counts) => {
    let [positives, negatives, above] = [0, 0, 0];
    let place = 0;
    for (const end of ends) {
      let [here, against] = [0, 0];
      for (; place < end; place += 1) {
        const row = order[place] as number;
        if (isPositive[row] === 1) here += counts[row] as number;
        else against += counts[row] as number;
      }
      above += against * (positives + here / 2);
      positives += here;
      negatives += against;
    }
    return above / (positives * negatives);
  };
}

/** Average precision: precision at each recall that is reached, weighted by the step in recall. */
export function averagePrecision(scores: ArrayLike<number>, isPositive: ArrayLike<number>): Counted {
  const { order, ends } = descending(scores);
  return (counts) => {
    let [found, told, sum] = [0, 0, 0];
    let place = 0;
    for (const end of ends) {
      let here = 0;
      for (; place < end; place += 1) {
        const row = order[place] as number;
        const count = counts[row] as number;
        told += count;
        if (isPositive[row] === 1) here += count;
      }
      found += here;
      if (here > 0) sum += here * (found / told);
    }
    return sum / found;
  };
}

/** Mean of a number over rows. */
export const meanOf =
  (values: ArrayLike<number>): Counted =>
  (counts) => {
    let [sum, rows] = [0, 0];
    for (let row = 0; row < values.length; row += 1) {
      const count = counts[row] as number;
      sum += count * (values[row] as number);
      rows += count;
    }
    return sum / rows;
  };

/** Of a single class: answered and there, answered, there. */
function hits(
  answers: ArrayLike<number>,
  labels: ArrayLike<number>,
  place: number,
  counts: ArrayLike<number>,
): [both: number, answered: number, there: number] {
  let [both, answered, there] = [0, 0, 0];
  for (let row = 0; row < labels.length; row += 1) {
    const count = counts[row] as number;
    const said = answers[row] === place;
    const is = labels[row] === place;
    if (said) answered += count;
    if (is) there += count;
    if (said && is) both += count;
  }
  return [both, answered, there];
}

/** Share of those answered that are of the class; 0 where none is answered. */
export const precision =
  (answers: ArrayLike<number>, labels: ArrayLike<number>, place: number): Counted =>
  (counts) => {
    const [both, answered, there] = hits(answers, labels, place, counts);
    return answered > 0 ? both / answered : there > 0 ? 0 : Number.NaN;
  };

/** Share of the class that is answered. */
export const recall =
  (answers: ArrayLike<number>, labels: ArrayLike<number>, place: number): Counted =>
  (counts) => {
    const [both, , there] = hits(answers, labels, place, counts);
    return both / there;
  };

/** Harmonic mean of both. */
export const f1 =
  (answers: ArrayLike<number>, labels: ArrayLike<number>, place: number): Counted =>
  (counts) => {
    const [both, answered, there] = hits(answers, labels, place, counts);
    return (2 * both) / (answered + there);
  };

/** Plain mean over those of the metrics that the rows define. */
export const macro =
  (metrics: readonly Counted[]): Counted =>
  (counts) => {
    const values = metrics.map((metric) => metric(counts)).filter((value) => !Number.isNaN(value));
    return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length;
  };

/** 1 where the answer is right. */
export const rightness = (answers: ArrayLike<number>, labels: ArrayLike<number>): Uint8Array =>
  Uint8Array.from(labels, (label, row) => (answers[row] === label ? 1 : 0));

/** No answer is certain beyond this: one wrong row must not make everything infinite. */
const certaintyMax = 1e-15;

/** Surprise of the truth, in nats, row by row. */
export const surprises = ({ probabilities, labels, classes }: ClassAnswers): Float64Array =>
  Float64Array.from({ length: labels.length }, (_, row) => {
    const said = probabilities[row * classes + (labels[row] ?? 0)] ?? Number.NaN;
    return Number.isNaN(said) ? -Math.log(certaintyMax) : -Math.log(Math.min(1, Math.max(certaintyMax, said)));
  });

/** Squared distances between what was said and what was true; with two classes, of one of them. */
export const squaredDistances = ({ probabilities, labels, classes }: ClassAnswers): Float64Array =>
  Float64Array.from({ length: labels.length }, (_, row) => {
    let sum = 0;
    for (let place = 0; place < classes; place += 1) {
      const said = probabilities[row * classes + place] ?? Number.NaN;
      sum += Number.isNaN(said) ? 1 : (said - (labels[row] === place ? 1 : 0)) ** 2;
    }
    return classes === 2 ? sum / 2 : sum;
  });

export const calibrationBins = 15;

/** Expected calibration error of the most probable class, over 15 bins of equal width. */
export function calibrationError({ probabilities, labels, classes }: ClassAnswers): Counted {
  const rows = labels.length;
  const bins = new Uint8Array(rows);
  const gaps = new Float64Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const { label, confidence } = readProbabilities(probabilities, classes, row * classes);
    bins[row] = Math.min(calibrationBins - 1, Math.floor(confidence * calibrationBins));
    gaps[row] = confidence - (label === labels[row] ? 1 : 0);
  }
  return (counts) => {
    const sums = new Float64Array(calibrationBins);
    let all = 0;
    for (let row = 0; row < rows; row += 1) {
      const bin = bins[row] as number;
      sums[bin] = (sums[bin] as number) + (counts[row] as number) * (gaps[row] as number);
      all += counts[row] as number;
    }
    return sums.reduce((sum, gap) => sum + Math.abs(gap), 0) / all;
  };
}
