export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Four digits, as people read figures. */
export const shown = (value: number): string => (Number.isFinite(value) ? String(Number(value.toPrecision(4))) : 'not a number');
