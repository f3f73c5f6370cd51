import { formatAgo, formatFull, formatSpan } from '../domain/format.ts';
import { useNow } from './use-now.ts';

export function Ago({ at, className }: { at: number | null; className?: string }) {
  const now = useNow();
  if (at === null) return <span className={className}>never</span>;
  return (
    <time dateTime={new Date(at).toISOString()} title={formatFull(at)} className={className}>
      {formatAgo(at, now)}
    </time>
  );
}

export function Elapsed({ since, until }: { since: number; until: number | null }) {
  const now = useNow();
  return <>{formatSpan((until ?? now) - since)}</>;
}
