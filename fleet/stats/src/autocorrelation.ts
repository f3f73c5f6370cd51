/**
 * How much one window tells about the next. Values in the order of time; assumes their mean and spread stay put
 * (a slow drift or a daily cycle reads as strong correlation, which is the cautious answer).
 */

/** Verdict on an assumption: shown to break, not contradicted by what was seen, or too little seen. */
export type Holds = boolean | 'unknown';

const VALUES_MIN = 60;
const SIGMAS = 3;

function autocorrelations(values: ArrayLike<number>, lagMax: number): (lag: number) => number {
  const n = values.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += values[i]! / n;
  const covariance = (lag: number): number => {
    let sum = 0;
    for (let i = lag; i < n; i++) sum += (values[i]! - mean) * (values[i - lag]! - mean);
    return sum;
  };
  const variance = covariance(0);
  return (lag) => (variance > 0 && lag <= lagMax ? covariance(lag) / variance : 0);
}

/** Correlation of neighbours; 0 for constant or fewer than two values. */
export function lag1Autocorrelation(values: ArrayLike<number>): number {
  return autocorrelations(values, 1)(1);
}

/**
 * Windows that count as one: 1 + 2 sum of the autocorrelations, summed over pairs of lags until a pair is no
 * longer positive (Geyer 1992). 1 for independent windows; n values carry about n / correlationTime of evidence.
 */
export function correlationTime(values: ArrayLike<number>): number {
  const lagMax = Math.floor(values.length / 4);
  const rho = autocorrelations(values, lagMax);
  let sum = 0;
  for (let lag = 0; lag + 1 <= lagMax; lag += 2) {
    const pair = rho(lag) + rho(lag + 1);
    if (pair <= 0) break;
    sum += pair;
  }
  return Math.max(2 * sum - 1, 1);
}

/** Whether neighbouring windows look independent: unknown below 60 values, false beyond three standard errors. */
export function looksExchangeable(values: ArrayLike<number>): Holds {
  return judgeCorrelation(lag1Autocorrelation(values), values.length);
}

/** The same verdict from a correlation of `pairs` neighbours. */
export function judgeCorrelation(correlation: number, pairs: number): Holds {
  if (pairs < VALUES_MIN) return 'unknown';
  return Math.abs(correlation) * Math.sqrt(pairs) <= SIGMAS;
}
