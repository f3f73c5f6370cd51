import type { WordShare } from '@serin/inference/text/explain';

export interface MarkOptions {
  /** Words that are marked at most, the strongest. */
  readonly wordsMax?: number;
  /** UTF-16 units of the field that are shown at most, from a little before its first marked word. */
  readonly unitsMax?: number;
}

/** A field's text with its strongest words marked as [word +0.42], on one line. */
export function markWords(text: string, shares: readonly WordShare[], { wordsMax = 8, unitsMax = 300 }: MarkOptions = {}): string {
  const strongest = new Set(shares.toSorted((one, other) => Math.abs(other.share) - Math.abs(one.share)).slice(0, wordsMax));
  const marked = shares.filter((share) => strongest.has(share) && Math.abs(share.share) >= 0.005);
  const from = Math.max(0, Math.min((marked[0]?.start ?? 0) - 40, text.length - unitsMax));
  const to = Math.min(text.length, from + unitsMax);
  const parts: string[] = [];
  let at = from;
  for (const { start, end, share } of marked) {
    // One letter may be several words; it is shown once.
    if (start < at || end > to) continue;
    parts.push(text.slice(at, start), `[${text.slice(start, end)} ${share > 0 ? '+' : ''}${share.toFixed(2)}]`);
    at = end;
  }
  parts.push(text.slice(at, to));
  const line = parts.join('').replace(/\s+/g, ' ').trim();
  return `${from > 0 ? '... ' : ''}${line}${to < text.length ? ' ...' : ''}`;
}
