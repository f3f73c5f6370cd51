export const percent = (share: number): string => `${(share * 100).toFixed(share > 0 && share < 0.0995 ? 1 : 0)} %`;

export const milliseconds = (value: number): string => (Number.isFinite(value) ? `${value.toFixed(value < 9.95 ? 2 : 1)} ms` : '–');

export const rate = (perSecond: number): string => perSecond.toFixed(perSecond < 9.95 ? 1 : 0);

export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  if (count < 999_500) return `${(count / 1000).toFixed(count < 9950 ? 1 : 0)} kB`;
  return `${(count / 1_000_000).toFixed(1)} MB`;
}

export const shortDigest = (digest: string): string => `${digest.slice(0, 12)}…`;

/** Differences of golden vectors: zero is exact and says so. */
export const difference = (value: number): string => (value === 0 ? '0, exact' : value.toExponential(1));
