/** What changed, told inside the process so that views (event stream, metrics) look again. Rows are the truth; a lost hint loses nothing. */
export type Change =
  | { type: 'device'; id: string }
  | { type: 'rollout'; id: string }
  | { type: 'job'; id: string }
  | { type: 'alert'; id: string }
  | { type: 'dataset'; id: string }
  | { type: 'run'; id: string }
  | { type: 'models' }
  | { type: 'sources' };

export interface Changes {
  tell(change: Change): void;
  /** Returns the function that ends the subscription. */
  listen(listener: (change: Change) => void): () => void;
}

export function createChanges(): Changes {
  const listeners = new Set<(change: Change) => void>();
  return {
    tell(change) {
      for (const listener of listeners) listener(change);
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
