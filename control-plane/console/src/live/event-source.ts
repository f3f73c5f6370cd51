import type { QueryClient } from '@tanstack/react-query';
import { liveEvent, type LiveEvent } from '@serin/protocol/api/events';
import { eventsPath } from '@serin/protocol/api/routes';
import { api } from '../data/api.ts';
import { keys } from '../data/keys.ts';
import { applyEvents } from './apply.ts';
import { createBatcher } from './batcher.ts';
import { connection } from './connection.ts';
import { coalesce } from './merge.ts';

const updatesEveryMs = 250;
const retryLeastMs = 500;
const retryMostMs = 8000;
/** After this much silence the server is asked: a quiet fleet answers, a dead line does not. */
const silenceMs = 12_000;
const hiddenMs = 60_000;

/**
 * Keeps one event stream open while the page can be seen, and feeds the cache from it. The browser
 * reconnects by itself with Last-Event-ID; where it gives up, a new stream is opened and everything fetched again.
 */
export function followEvents(client: QueryClient): () => void {
  let source: EventSource | null = null;
  let attempts = 0;
  let retryTimer: ReturnType<typeof setTimeout> | undefined;
  let hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  let fetchOnOpen = false;
  let stopped = false;

  const batcher = createBatcher<LiveEvent>({
    everyMs: updatesEveryMs,
    now: () => performance.now(),
    later: (run, ms) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    flush: (events) => applyEvents(client, coalesce(events)),
  });

  const lost = (): void => {
    if (connection.get().state !== 'lost') connection.set({ state: 'lost', lostAt: Date.now() });
  };

  const close = (): void => {
    source?.close();
    source = null;
    clearTimeout(retryTimer);
  };

  const reopenLater = (): void => {
    close();
    if (stopped || document.hidden) return;
    fetchOnOpen = true;
    const waitMs = Math.min(retryMostMs, retryLeastMs * 2 ** attempts) * (0.75 + Math.random() / 2);
    attempts += 1;
    retryTimer = setTimeout(open, waitMs);
  };

  function open(): void {
    if (stopped) return;
    close();
    const opened = new EventSource(eventsPath);
    source = opened;
    opened.addEventListener('open', () => {
      attempts = 0;
      connection.set({ state: 'live', heardAt: Date.now(), lostAt: null });
      if (fetchOnOpen) batcher.push({ type: 'reset' });
      fetchOnOpen = false;
    });
    opened.addEventListener('message', ({ data }: MessageEvent<string>) => {
      connection.set({ state: 'live', heardAt: Date.now(), lostAt: null });
      const event = parseEvent(data);
      if (event !== null) batcher.push(event);
    });
    opened.addEventListener('error', () => {
      lost();
      if (opened.readyState !== EventSource.CLOSED || source !== opened) return;
      // A refused stream may mean that the session has ended: asking for it shows the sign-in page.
      void client.invalidateQueries({ queryKey: keys.session });
      reopenLater();
    });
  }

  let asking = false;
  const ask = async (): Promise<void> => {
    asking = true;
    try {
      client.setQueryData(keys.overview, await api('getOverview'));
      connection.set({ heardAt: Date.now() });
    } catch {
      lost();
      reopenLater();
    } finally {
      asking = false;
    }
  };
  const watch = setInterval(() => {
    const { heardAt, state } = connection.get();
    if (asking || source === null || document.hidden || state !== 'live' || heardAt === null || Date.now() - heardAt < silenceMs) return;
    void ask();
  }, 2000);

  // A page that nobody looks at gives its connection back: browsers allow few per origin.
  const onVisibility = (): void => {
    clearTimeout(hiddenTimer);
    if (document.hidden) {
      hiddenTimer = setTimeout(() => {
        close();
        fetchOnOpen = true;
      }, hiddenMs);
    } else if (source === null) {
      attempts = 0;
      open();
    }
  };
  const onOnline = (): void => {
    if (connection.get().state !== 'lost') return;
    attempts = 0;
    fetchOnOpen = true;
    open();
  };
  document.addEventListener('visibilitychange', onVisibility);
  globalThis.addEventListener('online', onOnline);
  open();

  return () => {
    stopped = true;
    clearInterval(watch);
    clearTimeout(hiddenTimer);
    document.removeEventListener('visibilitychange', onVisibility);
    globalThis.removeEventListener('online', onOnline);
    batcher.stop();
    close();
    connection.set({ state: 'connecting', heardAt: null, lostAt: null });
  };
}

function parseEvent(data: string): LiveEvent | null {
  try {
    const parsed = liveEvent.safeParse(JSON.parse(data));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
