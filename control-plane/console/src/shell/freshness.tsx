import { WifiOff } from 'lucide-react';
import { useSyncExternalStore } from 'react';
import { formatSpan } from '../domain/format.ts';
import { connection } from '../live/connection.ts';
import { cn } from '../ui/cn.ts';
import { useNow } from '../ui/use-now.ts';

const useConnection = () => useSyncExternalStore(connection.subscribe, connection.get);

/** "Data as of": how old the newest word from the server is. */
export function Freshness() {
  const { state, heardAt } = useConnection();
  const now = useNow();
  const age = heardAt === null ? null : Math.max(0, Math.floor((now - heardAt) / 1000));
  return (
    <span className="inline-flex min-w-0 items-center gap-2 text-xs text-ink-3" data-testid="freshness" data-state={state}>
      <span className={cn('size-1.5 shrink-0 rounded-full', state === 'live' ? 'bg-ok' : state === 'lost' ? 'bg-bad' : 'bg-idle')} aria-hidden />
      <span className="truncate">
        {state === 'connecting' || age === null ? 'Connecting…' : `${state === 'live' ? 'Live' : 'Stale'}, data as of ${age} s ago`}
      </span>
    </span>
  );
}

/** Says plainly that the screen is old; it goes by itself once the stream is back. */
export function ConnectionBanner() {
  const { state, lostAt } = useConnection();
  const now = useNow();
  const lostForMs = lostAt === null ? 0 : now - lostAt;
  // A stream that is back within a moment is not worth a banner.
  const shown = state === 'lost' && lostForMs >= 1500;
  return (
    <div role="alert">
      {shown && (
        <div data-testid="disconnected" className="flex items-center gap-2.5 border-b border-line bg-bad-soft px-4 py-2 text-sm text-bad sm:px-6 lg:px-8">
          <WifiOff className="size-4 shrink-0" aria-hidden />
          <p>
            <strong className="font-semibold">Disconnected.</strong> What you see is {formatSpan(lostForMs)} old; reconnecting by itself. Devices keep working
            meanwhile.
          </p>
        </div>
      )}
    </div>
  );
}
