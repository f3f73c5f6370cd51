import { liveEvent } from '@serin/protocol/api/events';
import { eventsPath } from '@serin/protocol/api/routes';

export interface Feed {
  /**
   * Looks now and again after every live event until it finds something; rejects with `what` after the limit.
   * Nothing is assumed about which event matters, so a look is also taken every second.
   */
  until<Found>(what: string, look: () => Promise<Found | undefined | false>, limitMs?: number): Promise<Found>;
  close(): void;
}

/** Follows the event stream of a control plane, also across its restarts. */
export function openFeed(baseUrl: string, token: string): Feed {
  const closing = new AbortController();
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const resolve of waiting) resolve();
    waiting.clear();
  };

  async function follow(): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        const response = await fetch(`${baseUrl}${eventsPath}`, {
          headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
          signal: closing.signal,
        });
        const decoder = new TextDecoder();
        let buffer = '';
        for await (const bytes of response.body ?? []) {
          buffer += decoder.decode(bytes as Uint8Array, { stream: true });
          const blocks = buffer.split('\n\n');
          buffer = blocks.pop() ?? '';
          for (const block of blocks) {
            const data = block.split('\n').find((line) => line.startsWith('data:'));
            if (data !== undefined && liveEvent.safeParse(JSON.parse(data.slice(5))).success) wake();
          }
        }
      } catch {
        // The server is down or restarting; the next round finds it again.
      }
      if (!closing.signal.aborted) await nextEvent(500);
    }
  }

  function nextEvent(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, limitMs);
      function done(): void {
        clearTimeout(timer);
        waiting.delete(done);
        resolve();
      }
      waiting.add(done);
    });
  }

  void follow();
  return {
    async until(what, look, limitMs = 60_000) {
      const deadline = performance.now() + limitMs;
      let failure: unknown;
      for (;;) {
        try {
          const found = await look();
          if (found !== undefined && found !== false) return found;
          failure = undefined;
        } catch (error) {
          failure = error;
        }
        if (performance.now() >= deadline) throw new Error(`${what} did not happen within ${limitMs / 1000} s`, { cause: failure });
        await nextEvent(1000);
      }
    },
    close() {
      closing.abort();
      wake();
    },
  };
}
