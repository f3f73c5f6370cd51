import { Link } from '@tanstack/react-router';
import { ArrowRight, Check } from 'lucide-react';
import type { Rollout } from '@serin/protocol/api/resources';
import { formatCount, plural, sentence } from '../domain/format.ts';
import { isLive, rolloutLabel, rolloutTone } from '../domain/rollout-view.ts';
import { Badge } from '../ui/badge.tsx';
import { cn } from '../ui/cn.ts';
import { Ago } from '../ui/time.tsx';

export function RolloutStatusBadge({ rollout }: { rollout: Rollout }) {
  return (
    <Badge tone={rolloutTone[rollout.status]} data-testid="rollout-status">
      {rolloutLabel[rollout.status]}
    </Badge>
  );
}

/** Done, now, planned: by fill, by mark and in words. */
export function StageLine({ rollout, tall = false }: { rollout: Rollout; tall?: boolean }) {
  return (
    <ol className="flex min-w-0 gap-3" aria-label="Stages">
      {rollout.stages.map((stage, index) => (
        <li key={`${stage.label} ${String(index)}`} className="flex min-w-0 flex-1 flex-col gap-1.5" aria-current={stage.state === 'now' ? 'step' : undefined}>
          <span className={cn('relative overflow-hidden rounded-full', tall ? 'h-1.5' : 'h-1', stage.state === 'done' ? 'bg-ok' : 'bg-line')} aria-hidden>
            {stage.state === 'now' && (
              <span className={cn('absolute inset-y-0 left-0 w-1/2 rounded-full', isLive(rollout) ? 'animate-pulse-soft bg-canary' : 'bg-idle')} />
            )}
          </span>
          <span className="flex min-w-0 items-center gap-1 text-xs">
            {stage.state === 'done' && <Check className="size-3 shrink-0 text-ok" aria-hidden />}
            <span className={cn('truncate', stage.state === 'planned' ? 'text-ink-3' : 'font-medium text-ink')}>{sentence(stage.label)}</span>
            <span className="sr-only">{stage.state}</span>
            <span className="ml-auto shrink-0 text-ink-3">{tall ? plural(stage.devices, 'device') : formatCount(stage.devices)}</span>
          </span>
        </li>
      ))}
    </ol>
  );
}

export function VersionChange({ rollout, className }: { rollout: Rollout; className?: string }) {
  return (
    <span className={cn('inline-flex items-center gap-1.5 font-mono', className)}>
      {rollout.previous !== null && (
        <>
          <span className="text-ink-3">v{rollout.previous}</span>
          <ArrowRight className="size-3 text-ink-3" aria-label="to" />
        </>
      )}
      <span>v{rollout.version}</span>
    </span>
  );
}

/** A rollout in a few lines, for lists and the overview. */
export function RolloutSummary({ rollout }: { rollout: Rollout }) {
  return (
    <div className="flex flex-col gap-3 px-4 py-3.5">
      <div className="flex items-center gap-2.5">
        <Link to="/rollouts/$id" params={{ id: rollout.id }} className="flex min-w-0 items-center gap-2 text-sm font-semibold hover:underline">
          <span className="truncate">{rollout.model}</span>
          <VersionChange rollout={rollout} className="text-xs font-medium" />
        </Link>
        <span className="ml-auto text-xs whitespace-nowrap text-ink-3">
          <Ago at={rollout.finishedAt ?? rollout.createdAt} />
        </span>
        <RolloutStatusBadge rollout={rollout} />
      </div>
      <StageLine rollout={rollout} />
      <p className="text-sm text-ink-2">{sentence(rollout.words)}</p>
    </div>
  );
}
