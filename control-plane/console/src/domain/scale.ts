/** Round tick values that cover [low, high]; at most `count + 1` or so of them. */
export function niceTicks(low: number, high: number, count: number): number[] {
  if (!Number.isFinite(low) || !Number.isFinite(high) || count < 1) return [];
  if (low === high) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? 10 * power;
  const ticks: number[] = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index += 1) ticks.push(Number((index * step).toPrecision(12)));
  return ticks;
}

export type Scale = (value: number) => number;

export function linearScale([d0, d1]: readonly [number, number], [r0, r1]: readonly [number, number]): Scale {
  const span = d1 - d0;
  return (value) => (span === 0 ? (r0 + r1) / 2 : r0 + ((value - d0) / span) * (r1 - r0));
}

/** A domain from zero with a little air on top; never empty. */
export function domainFromZero(values: readonly (number | null)[], least = 0): [number, number] {
  let high = least;
  for (const value of values) if (value !== null && value > high) high = value;
  return [0, high === 0 ? 1 : high * 1.12];
}

/** A domain around values with a little air on both sides; never empty, and zero where that is near. */
export function valueDomain(values: readonly number[]): [number, number] {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return [0, 1];
  let low = finite[0] ?? 0;
  let high = low;
  for (const value of finite) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low === high) {
    if (low === 0) return [0, 1];
    const around = Math.abs(low) * 0.1 || 1;
    return [low - around, high + around];
  }
  const air = (high - low) * 0.06;
  return [low >= 0 && low - air * 2 < 0 ? 0 : low - air, high + air];
}

/** A line through the points that exist; gaps in the data, and in time, stay gaps. */
export function linePath(points: readonly { x: number; y: number | null }[], gap: number): string {
  let path = '';
  let last: number | null = null;
  for (const { x, y } of points) {
    if (y === null) {
      last = null;
      continue;
    }
    path += `${last === null || x - last > gap ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`;
    last = x;
  }
  return path;
}

/** Index of the value nearest to `target` in an ascending list. */
export function nearestIndex(values: readonly number[], target: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] ?? 0) < target) low = middle + 1;
    else high = middle;
  }
  const before = values[low - 1];
  const here = values[low];
  return before !== undefined && here !== undefined && target - before < here - target ? low - 1 : low;
}
