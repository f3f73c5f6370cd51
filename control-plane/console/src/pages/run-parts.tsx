import { Link } from '@tanstack/react-router';
import type { Run, RunStatus } from '@serin/protocol/api/runs';
import { formatCount, formatMetric, groupDigits, humanise, sentence } from '../domain/format.ts';
import { formatDifference, isBetter, keyMetric, runStatusTone, runStatusWords, stageWords } from '../domain/run-view.ts';
import { Badge } from '../ui/badge.tsx';
import { cn } from '../ui/cn.ts';
import { StateMark } from '../ui/state-mark.tsx';

export function RunStatusBadge({ status }: { status: RunStatus }) {
  return (
    <Badge tone={runStatusTone[status]} icon={<StateMark state={status} className="size-2.5" />} data-testid="run-status">
      {runStatusWords[status]}
    </Badge>
  );
}

/** Runs and what declares them: two views of one place. */
export function RunTabs({ at }: { at: 'runs' | 'pipelines' }) {
  const className = (here: boolean): string =>
    cn('-mb-px border-b-2 px-3 py-2 text-sm', here ? 'border-ink font-medium' : 'border-transparent text-ink-2 hover:text-ink');
  return (
    <nav aria-label="Runs and pipelines" className="flex gap-1 border-b border-line">
      <Link to="/runs" aria-current={at === 'runs' ? 'page' : undefined} className={className(at === 'runs')}>
        Runs
      </Link>
      <Link to="/pipelines" aria-current={at === 'pipelines' ? 'page' : undefined} className={className(at === 'pipelines')}>
        Pipelines
      </Link>
    </nav>
  );
}

/** What a run is judged by, beside the answer that needs no model. */
export function KeyFigure({ run }: { run: Run }) {
  const metric = keyMetric(run);
  if (metric === null) return <span className="text-ink-3">–</span>;
  const value = run.metrics[metric] ?? Number.NaN;
  const base = run.baseline?.metrics[metric];
  const better = base === undefined ? null : isBetter(metric, value - base);
  return (
    <span className="tabular-nums">
      <span className="text-xs text-ink-3">{humanise(metric)}</span> <span className="font-medium">{formatMetric(metric, value)}</span>
      {base !== undefined && (
        <span className={cn('ml-1.5 text-xs', better === true ? 'text-ok' : better === false ? 'text-bad' : 'text-ink-3')}>
          {formatDifference(metric, value - base)}
          <span className="sr-only"> against the baseline</span>
        </span>
      )}
    </span>
  );
}

/** The run from left to right: a mark, a word and the seconds of every stage. */
export function StageStrip({ stages }: { stages: Run['stages'] }) {
  return (
    <ol aria-label="Stages" className="grid grid-cols-2 gap-x-3 gap-y-3 sm:grid-cols-3 lg:grid-cols-5 2xl:grid-cols-9">
      {stages.map((stage) => (
        <li
          key={stage.name}
          data-testid={`stage-${stage.name}`}
          data-state={stage.state}
          aria-current={stage.state === 'running' ? 'step' : undefined}
          className={cn('flex min-w-0 flex-col gap-1 border-t-2 pt-2', stageLine[stage.state])}
        >
          <span className="flex min-w-0 items-center gap-1.5 text-sm">
            <StateMark state={stage.state} className={cn(stage.state === 'running' && 'animate-pulse-soft')} />
            <span className={cn('truncate', stage.state === 'waiting' || stage.state === 'skipped' ? 'text-ink-3' : 'font-medium')}>
              {humanise(stage.name)}
            </span>
            <span className="ml-auto shrink-0 text-xs text-ink-3">
              {stage.ms === null ? '' : stage.ms < 1000 ? `${Math.round(stage.ms)} ms` : `${(stage.ms / 1000).toFixed(1)} s`}
            </span>
          </span>
          <span className="line-clamp-3 text-xs text-ink-3" title={stage.words}>
            {stageWords[stage.state]}
            {stage.words !== '' && <span className="text-ink-2">: {sentence(groupDigits(stage.words))}</span>}
          </span>
        </li>
      ))}
    </ol>
  );
}

const stageLine = {
  waiting: 'border-line',
  running: 'border-info',
  done: 'border-ok',
  cached: 'border-ok border-dotted',
  skipped: 'border-line border-dashed',
  failed: 'border-bad',
} as const;

export function DataLink({ data }: { data: Run['data'] }) {
  if (data === null) return <span className="text-ink-3">–</span>;
  if (data.dataset === null || data.version === null) return <span>{data.rows === null ? 'files' : `${formatCount(data.rows)} rows of files`}</span>;
  return (
    <Link to="/data/$name/$version" params={{ name: data.dataset, version: String(data.version) }} className="text-link hover:underline">
      {data.dataset} <span className="font-mono text-xs">v{data.version}</span>
    </Link>
  );
}
