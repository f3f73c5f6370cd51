import type { ValueRange } from '../parameters.ts';
import { binCount, type Histogram } from './histogram.ts';

/** Drops the outermost bins while no more than the rest of `keep` is lost, half on each side. */
export function percentileRange({ counts, first, width, zeros, min, max }: Histogram, keep: number): ValueRange {
  let total = zeros;
  for (const count of counts) total += count;
  const budget = (total * (1 - keep)) / 2;
  let low = 0;
  for (let lost = counts[0] as number; lost <= budget && low < -first; lost += counts[low] as number) low += 1;
  let high = binCount - 1;
  for (let lost = counts[high] as number; lost <= budget && high >= -first; lost += counts[high] as number) high -= 1;
  return { min: Math.max(min, Math.min(0, (first + low) * width)), max: Math.min(max, Math.max(0, (first + high + 1) * width)) };
}
