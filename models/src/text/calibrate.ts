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
