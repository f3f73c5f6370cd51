/** A rate with a burst. Times come in from outside, so that it can be tested and shared. */
export interface TokenBucket {
  /** Takes if there is enough; otherwise takes nothing. */
  tryTake(amount: number, nowMs: number): boolean;
  /** Takes in any case and returns how long to wait until the debt is paid: 0 while within the burst. */
  takeLater(amount: number, nowMs: number): number;
  /** Full again: a bucket nobody needs to remember. */
  isFull(nowMs: number): boolean;
}

export interface Rate {
  perSecond: number;
  burst: number;
}

export function createTokenBucket({ perSecond, burst }: Rate, startMs: number): TokenBucket {
  let level = burst;
  let seenMs = startMs;
  const refill = (nowMs: number): void => {
    // A clock that steps back refills nothing and does not take back either.
    level = Math.min(burst, level + (Math.max(0, nowMs - seenMs) * perSecond) / 1000);
    seenMs = nowMs;
  };
  return {
    tryTake(amount, nowMs) {
      refill(nowMs);
      if (level < amount) return false;
      level -= amount;
      return true;
    },
    takeLater(amount, nowMs) {
      refill(nowMs);
      level -= amount;
      return level >= 0 ? 0 : Math.ceil((-level * 1000) / perSecond);
    },
    isFull(nowMs) {
      refill(nowMs);
      return level >= burst;
    },
  };
}

/** A bucket for each name, forgotten once full again, so that names cannot fill the memory. */
export function createBuckets(
  rate: Rate,
  namesMax: number,
): { tryTake(name: string, amount: number, nowMs: number): boolean; takeLater(name: string, amount: number, nowMs: number): number } {
  const buckets = new Map<string, TokenBucket>();
  const of = (name: string, nowMs: number): TokenBucket => {
    const known = buckets.get(name);
    if (known !== undefined) return known;
    if (buckets.size >= namesMax) for (const [other, bucket] of buckets) if (bucket.isFull(nowMs)) buckets.delete(other);
    const bucket = createTokenBucket(rate, nowMs);
    // Still too many: this name gets an unremembered bucket; the total is bounded elsewhere.
    if (buckets.size < namesMax) buckets.set(name, bucket);
    return bucket;
  };
  return {
    tryTake: (name, amount, nowMs) => of(name, nowMs).tryTake(amount, nowMs),
    takeLater: (name, amount, nowMs) => of(name, nowMs).takeLater(amount, nowMs),
  };
}
