import { meanOf, type Counted } from './ranking.ts';

const errorsOf = (answers: ArrayLike<number>, truths: ArrayLike<number>): Float64Array =>
  Float64Array.from({ length: truths.length }, (_, row) => (answers[row] ?? Number.NaN) - (truths[row] ?? Number.NaN));

/** Root of the mean squared error. */
export function rmse(answers: ArrayLike<number>, truths: ArrayLike<number>): Counted {
  const mean = meanOf(errorsOf(answers, truths).map((error) => error * error));
  return (counts) => Math.sqrt(mean(counts));
}

/** Mean absolute error. */
export const mae = (answers: ArrayLike<number>, truths: ArrayLike<number>): Counted => meanOf(errorsOf(answers, truths).map(Math.abs));

/** Share of the variance that is explained; NaN where nothing varies, below 0 where the mean would do better. */
export function r2(answers: ArrayLike<number>, truths: ArrayLike<number>): Counted {
  const squares = errorsOf(answers, truths).map((error) => error * error);
  return (counts) => {
    const mean = meanOf(truths)(counts);
    let [left, all] = [0, 0];
    for (let row = 0; row < truths.length; row += 1) {
      const count = counts[row] as number;
      left += count * (squares[row] as number);
      all += count * ((truths[row] as number) - mean) ** 2;
    }
    return all > 0 ? 1 - left / all : Number.NaN;
  };
}
