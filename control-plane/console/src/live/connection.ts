/** What the screen says about its own freshness; a plain store so that one indicator redraws, not the page. */
export interface Connection {
  state: 'connecting' | 'live' | 'lost';
  /** Local time of the newest word from the server, events and keep-alives alike. */
  heardAt: number | null;
  /** Local time since which nothing came, while lost. */
  lostAt: number | null;
}

type Listener = () => void;

export function createConnectionStore(): { get: () => Connection; set: (next: Partial<Connection>) => void; subscribe: (listener: Listener) => () => void } {
  let present: Connection = { state: 'connecting', heardAt: null, lostAt: null };
  const listeners = new Set<Listener>();
  return {
    get: () => present,
    set: (next) => {
      present = { ...present, ...next };
      for (const listener of listeners) listener();
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

export const connection = createConnectionStore();
