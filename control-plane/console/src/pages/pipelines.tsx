import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { ChevronRight } from 'lucide-react';
import type { Pipeline } from '@serin/protocol/api/runs';
import { pipelinesQuery } from '../data/data-queries.ts';
import { formatMetric, humanise, plural } from '../domain/format.ts';
import { cachedOf, keyMetric, runStatusWords } from '../domain/run-view.ts';
import { Badge } from '../ui/badge.tsx';
import { CopyLine } from '../ui/copy-line.tsx';
import { Empty, Page, Panel, Skeleton } from '../ui/panel.tsx';
import { StateMark } from '../ui/state-mark.tsx';
import { Ago } from '../ui/time.tsx';
import { RunTabs } from './run-parts.tsx';

export function PipelinesPage() {
  const { data: pipelines } = useQuery(pipelinesQuery);
  return (
    <Page title="Pipelines" note={pipelines === undefined ? 'Loading…' : plural(pipelines.length, 'pipeline')}>
      <RunTabs at="pipelines" />
      <Panel aria-label="Pipelines" className="min-w-0 overflow-hidden">
        {pipelines === undefined && <Skeleton className="m-4 h-48" />}
        {pipelines?.length === 0 && (
          <Empty title="No pipeline yet" action={<CopyLine label="command" text="npm run serin -- pipeline init table" />}>
            A pipeline is a file that says what a model is made of; it is kept here when it is first run.
          </Empty>
        )}
        <ul className="divide-y divide-line">
          {pipelines?.map((pipeline) => (
            <li
              key={pipeline.name}
              className="relative grid gap-x-6 gap-y-1 px-4 py-3 hover:bg-hover sm:grid-cols-[minmax(0,1fr)_minmax(0,1fr)_1rem] sm:items-center"
              data-testid={`pipeline-${pipeline.name}`}
            >
              <div className="min-w-0">
                <p className="flex flex-wrap items-center gap-2">
                  <Link to="/pipelines/$name" params={{ name: pipeline.name }} className="text-sm font-medium after:absolute after:inset-0">
                    {pipeline.name}
                  </Link>
                  <Badge>{humanise(pipeline.trainer)}</Badge>
                </p>
                <p className="truncate text-xs text-ink-3">
                  {pipeline.description === '' ? plural(pipeline.runs, 'run') : `${pipeline.description} (${plural(pipeline.runs, 'run')})`}
                </p>
              </div>
              <LastRun last={pipeline.last} />
              <ChevronRight className="size-4 text-ink-3 max-sm:hidden" aria-hidden />
            </li>
          ))}
        </ul>
      </Panel>
    </Page>
  );
}

/** How the last run of a pipeline went, in two lines. */
export function LastRun({ last }: { last: Pipeline['last'] }) {
  if (last === null) return <p className="text-sm text-ink-3">Never run</p>;
  const metric = keyMetric({ metrics: last.metrics, parameters: {} });
  return (
    <div className="min-w-0 text-sm">
      <p className="flex flex-wrap items-center gap-x-2">
        <StateMark state={last.status} />
        <Link to="/runs/$id" params={{ id: last.id }} className="relative z-1 text-link hover:underline">
          {runStatusWords[last.status]} <Ago at={last.at} />
        </Link>
        {metric !== null && (
          <span className="text-ink-2">
            {humanise(metric)} <span className="font-medium text-ink">{formatMetric(metric, last.metrics[metric] ?? Number.NaN)}</span>
          </span>
        )}
      </p>
      <p className="text-xs text-ink-3">{cachedOf(last.cachedStages, last.stages)}</p>
    </div>
  );
}
