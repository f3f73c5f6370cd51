/** Says the same thing at most once in a while; how often it was swallowed is told with the next time. */
export interface QuietLog {
  say(key: string, event: (swallowed: number) => void): void;
}

export function createQuietLog(now: () => number, { quietMs = 60_000, keysMax = 10_000 } = {}): QuietLog {
  const heard = new Map<string, { at: number; swallowed: number }>();
  return {
    say(key, event) {
      const before = heard.get(key);
      const at = now();
      if (before !== undefined && at - before.at < quietMs) {
        before.swallowed++;
        return;
      }
      heard.delete(key);
      // The oldest is first in the map.
      for (const [oldest] of heard) {
        if (heard.size < keysMax) break;
        heard.delete(oldest);
      }
      heard.set(key, { at, swallowed: 0 });
      event(before?.swallowed ?? 0);
    },
  };
}
