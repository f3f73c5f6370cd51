/** Keeps what was used last, up to so many bytes. */
export interface ByteCache<Value> {
  get(key: number): Value | undefined;
  /** What is larger than the whole cache is not kept. */
  put(key: number, value: Value, bytes: number): void;
  readonly bytes: number;
  clear(): void;
}

export function createByteCache<Value>(bytesMax: number): ByteCache<Value> {
  // A map remembers the order of insertion: the first is the one used longest ago.
  const entries = new Map<number, { readonly value: Value; readonly bytes: number }>();
  let held = 0;
  const drop = (key: number): void => {
    held -= entries.get(key)?.bytes ?? 0;
    entries.delete(key);
  };
  return {
    get: (key) => {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      entries.delete(key);
      entries.set(key, entry);
      return entry.value;
    },
    put: (key, value, bytes) => {
      drop(key);
      if (bytes > bytesMax) return;
      entries.set(key, { value, bytes });
      held += bytes;
      for (const oldest of entries.keys()) {
        if (held <= bytesMax) break;
        drop(oldest);
      }
    },
    get bytes() {
      return held;
    },
    clear: () => {
      entries.clear();
      held = 0;
    },
  };
}
