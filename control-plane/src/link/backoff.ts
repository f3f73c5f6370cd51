/** Waits that grow and are spread, so that many who lost the same thing do not come back together. */
export function backoffMs(attempt: number, random: number, { firstMs = 250, mostMs = 30_000 } = {}): number {
  const ceiling = Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 20));
  return Math.round(ceiling / 2 + (random * ceiling) / 2);
}
