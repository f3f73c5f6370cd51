import { calibrationError, everyRow } from '../evaluate/ranking.ts';

/** Mean of minus the log-likelihood of the labels under scores [count, columns]; one column speaks for the second of two classes. */
export function crossEntropyOf(scores: ArrayLike<number>, labels: ArrayLike<number>, columns: number, temperature = 1): number {
  let sum = 0;
  for (let row = 0; row < labels.length; row += 1) {
    const label = labels[row] ?? 0;
    const own = columns === 1 && label === 0 ? 0 : (scores[row * columns + (columns === 1 ? 0 : label)] ?? 0) / temperature;
    let top = columns === 1 ? 0 : -Infinity;
    for (let column = 0; column < columns; column += 1) top = Math.max(top, (scores[row * columns + column] ?? 0) / temperature);
    let whole = columns === 1 ? Math.exp(-top) : 0;
    for (let column = 0; column < columns; column += 1) whole += Math.exp((scores[row * columns + column] ?? 0) / temperature - top);
    sum += top + Math.log(whole) - own;
  }
  return labels.length === 0 ? 0 : sum / labels.length;
}

const [coldest, hottest] = [0.05, 20];
const shrinkings = 60;
const golden = (Math.sqrt(5) - 1) / 2;

/**
 * What scores are divided by so that probabilities mean what they say (Guo et al. 2017), by the likelihood of labels
 * that were not learnt from. No answer changes, only how sure it is.
 */
export function fitTemperature(scores: ArrayLike<number>, labels: ArrayLike<number>, columns: number): number {
  if (labels.length === 0) return 1;
  const lossAt = (logarithm: number): number => crossEntropyOf(scores, labels, columns, Math.exp(logarithm));
  let [low, high] = [Math.log(coldest), Math.log(hottest)];
  for (let round = 0; round < shrinkings; round += 1) {
    const left = high - golden * (high - low);
    const right = low + golden * (high - low);
    if (lossAt(left) <= lossAt(right)) high = right;
    else low = left;
  }
  return Math.exp((low + high) / 2);
}

export interface Recalibration {
  readonly temperature: number;
  /** Expected calibration error on rows the temperature was not learnt from, over all splits. */
  readonly before: number;
  readonly after: number;
}

const splits = 3;
/** A split with fewer rows says nothing of calibration. */
const rowsPerSplitMin = 20;

/** Probabilities under scores that are divided by the temperature; one column speaks for the second of two classes. */
export function probabilitiesAt(scores: ArrayLike<number>, columns: number, temperature: number): Float32Array {
  const classes = Math.max(2, columns);
  const rows = scores.length / columns;
  const found = new Float32Array(rows * classes);
  const margins = new Float64Array(classes);
  for (let row = 0; row < rows; row += 1) {
    let top = -Infinity;
    for (let place = 0; place < classes; place += 1) {
      const column = columns === 1 ? place - 1 : place;
      margins[place] = column < 0 ? 0 : (scores[row * columns + column] as number) / temperature;
      top = Math.max(top, margins[place] as number);
    }
    const sum = margins.reduce((whole, margin) => whole + Math.exp(margin - top), 0);
    for (let place = 0; place < classes; place += 1) found[row * classes + place] = Math.exp((margins[place] as number) - top) / sum;
  }
  return found;
}

/**
 * A temperature, if it helps: learnt from the other rows, it must lower the expected calibration error of each of three
 * splits. What is kept is then learnt from all of them.
 */
export function recalibrate(scores: ArrayLike<number>, labels: ArrayLike<number>, columns: number): Recalibration | undefined {
  const rows = Array.from({ length: labels.length }, (_, row) => row);
  if (rows.length < splits * rowsPerSplitMin) return undefined;
  const take = (chosen: readonly number[]): { scores: Float64Array; labels: Float64Array } => ({
    scores: Float64Array.from(chosen.flatMap((row) => Array.from({ length: columns }, (_, column) => scores[row * columns + column] ?? 0))),
    labels: Float64Array.from(chosen, (row) => labels[row] ?? 0),
  });
  const classes = Math.max(2, columns);
  const errorOf = (part: ReturnType<typeof take>, temperature: number): number =>
    calibrationError({ probabilities: probabilitiesAt(part.scores, columns, temperature), labels: part.labels, classes })(everyRow(part.labels.length));
  let [before, after] = [0, 0];
  for (let split = 0; split < splits; split += 1) {
    const learnt = take(rows.filter((row) => row % splits !== split));
    const judged = take(rows.filter((row) => row % splits === split));
    const [plain, scaled] = [errorOf(judged, 1), errorOf(judged, fitTemperature(learnt.scores, learnt.labels, columns))];
    if (!(scaled < plain)) return undefined;
    before += (plain * judged.labels.length) / rows.length;
    after += (scaled * judged.labels.length) / rows.length;
  }
  return { temperature: fitTemperature(scores, labels, columns), before, after };
}
