export interface HistogramBar {
  label: string;
  from: number | null;
  to: number | null;
  reference: number;
  live: number;
}

const share = (counts: readonly number[], index: number, total: number): number => (total === 0 ? 0 : (counts[index] ?? 0) / total);
const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

/**
 * Bars of two histograms over the same frozen bins, as shares so that windows of different size compare.
 * Counts come as `[under, bins…, over, nan]`; tails and NaN show only where something fell into them.
 */
export function histogramBars(
  reference: readonly number[],
  live: readonly number[],
  edges: readonly number[],
  format: (value: number) => string,
): HistogramBar[] {
  const bins = Math.max(0, edges.length - 1);
  const totals = [sum(reference), sum(live)] as const;
  const bar = (index: number, from: number | null, to: number | null, label: string): HistogramBar => ({
    label,
    from,
    to,
    reference: share(reference, index, totals[0]),
    live: share(live, index, totals[1]),
  });
  const bars: HistogramBar[] = [];
  const present = (index: number): boolean => (reference[index] ?? 0) + (live[index] ?? 0) > 0;
  const first = edges[0];
  const last = edges[bins];
  if (first !== undefined && present(0)) bars.push(bar(0, null, first, `below ${format(first)}`));
  for (let bin = 0; bin < bins; bin += 1) {
    const from = edges[bin] ?? 0;
    const to = edges[bin + 1] ?? from;
    bars.push(bar(bin + 1, from, to, `${format(from)} to ${format(to)}`));
  }
  if (last !== undefined && present(bins + 1)) bars.push(bar(bins + 1, last, null, `${format(last)} and above`));
  if (present(bins + 2)) bars.push(bar(bins + 2, null, null, 'not a number'));
  return bars;
}

/** Neighbouring bins added together until at most `most` remain: thin columns say less than wide ones. */
export function coarsenBars(bars: readonly HistogramBar[], most: number): HistogramBar[] {
  const group = Math.ceil(bars.length / Math.max(1, most));
  if (group <= 1) return [...bars];
  const merged: HistogramBar[] = [];
  for (let start = 0; start < bars.length; start += group) {
    const part = bars.slice(start, start + group);
    const first = part[0];
    const last = part.at(-1);
    if (first === undefined || last === undefined) continue;
    merged.push({
      label: part.length === 1 ? first.label : `${first.label.replace(/ to .*$/, '')} to ${last.label.replace(/^.* to /, '')}`,
      from: first.from,
      to: last.to,
      reference: part.reduce((total, { reference }) => total + reference, 0),
      live: part.reduce((total, { live }) => total + live, 0),
    });
  }
  return merged;
}

/** The middle of a histogram by linear interpolation inside its bin; null when it is empty. */
export function histogramMedian(counts: readonly number[], edges: readonly number[]): number | null {
  const bins = edges.length - 1;
  const inside = counts.slice(0, bins + 2);
  const half = sum(inside) / 2;
  if (half === 0) return null;
  let seen = 0;
  for (const [index, count] of inside.entries()) {
    if (seen + count >= half && count > 0) {
      if (index === 0) return edges[0] ?? null;
      if (index === bins + 1) return edges[bins] ?? null;
      const from = edges[index - 1] ?? 0;
      const to = edges[index] ?? from;
      return from + ((half - seen) / count) * (to - from);
    }
    seen += count;
  }
  return edges[bins] ?? null;
}
