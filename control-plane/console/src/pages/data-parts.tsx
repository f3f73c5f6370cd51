import type { ReactNode } from 'react';
import type { DatasetVersionStatus } from '@serin/protocol/api/datasets';
import { versionStatusTone, versionStatusWords, type Share } from '../domain/data-view.ts';
import { formatCount, formatPercent } from '../domain/format.ts';
import { Badge } from '../ui/badge.tsx';
import { StateMark } from '../ui/state-mark.tsx';

export function VersionStatusBadge({ status }: { status: DatasetVersionStatus }) {
  return (
    <Badge tone={versionStatusTone[status]} icon={<StateMark state={status} className="size-2.5" />} data-testid="dataset-status">
      {versionStatusWords[status]}
    </Badge>
  );
}

const shareColors = ['var(--series-1)', 'var(--series-2)', 'var(--series-3)', 'var(--series-4)', 'var(--reference)'];

/** Parts of a whole: a bar for the eye, and the same in words below it. */
export function ShareBar({ name, shares }: { name: string; shares: readonly Share[] }) {
  const color = (index: number): string => shareColors[Math.min(index, shareColors.length - 1)] ?? 'var(--reference)';
  return (
    <div>
      <p className="text-xs text-ink-2">{name}</p>
      <div className="mt-2 flex h-2 gap-0.5 overflow-hidden rounded-full bg-sunken" aria-hidden>
        {shares.map(({ name: part, count }, index) => (
          <span key={part} className="h-full min-w-0.5 rounded-xs" style={{ flexGrow: count, backgroundColor: color(index) }} />
        ))}
      </div>
      <ul className="mt-2 flex flex-wrap gap-x-4 gap-y-0.5 text-xs">
        {shares.map(({ name: part, count, share }, index) => (
          <li key={part} className="inline-flex items-center gap-1.5">
            <span className="size-2 rounded-xs" style={{ backgroundColor: color(index) }} aria-hidden />
            <span className="max-w-40 truncate">{part === '' ? '(empty)' : part}</span>
            <span className="text-ink-3">
              {formatCount(count)}, {formatPercent(share)}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

export function Tile({ name, value, note }: { name: string; value: ReactNode; note?: ReactNode }) {
  return (
    <div className="min-w-0 px-4 py-3">
      <p className="text-xs text-ink-2">{name}</p>
      <p className="mt-0.5 text-xl font-semibold tracking-[-0.015em] tabular-nums">{value}</p>
      {note !== undefined && <p className="truncate text-2xs text-ink-3">{note}</p>}
    </div>
  );
}
