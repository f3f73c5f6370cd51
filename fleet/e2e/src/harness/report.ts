export interface Report {
  /** For people, one row a line. */
  table: string[][];
  /** For machines: the last line of a benchmark. */
  figures: Record<string, number | string | boolean>;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
