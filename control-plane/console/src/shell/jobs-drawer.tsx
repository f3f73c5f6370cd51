import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { ChevronRight } from 'lucide-react';
import type { Job } from '@serin/protocol/api/resources';
import { api } from '../data/api.ts';
import { rememberJob, useAction } from '../data/actions.ts';
import { runsQuery } from '../data/data-queries.ts';
import { jobsQuery } from '../data/queries.ts';
import { useRefusal } from '../data/use-session.ts';
import { formatDate, formatMetric, formatPercent, formatSpan, humanise, sentence } from '../domain/format.ts';
import { isRunning, jobFraction, jobTitle, jobTone } from '../domain/job-view.ts';
import { Badge, Code } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { Drawer } from '../ui/dialog.tsx';
import { Empty, Skeleton } from '../ui/panel.tsx';
import { ProgressBar } from '../ui/progress.tsx';
import { Elapsed } from '../ui/time.tsx';

/** Work in the background, newest first; the one named in the address is open. */
export function JobsDrawer({ focus }: { focus: string }) {
  const navigate = useNavigate();
  const { data: jobs } = useQuery(jobsQuery);
  const close = (): void => void navigate({ to: '.', search: ({ jobs: _, ...before }) => before });
  const open = focus === 'all' ? (jobs?.find(isRunning) ?? jobs?.[0])?.id : focus;
  return (
    <Drawer open onClose={close} title="Jobs" description="They go on when this page is closed.">
      {jobs === undefined && <Skeleton className="m-5 h-24" />}
      {jobs?.length === 0 && (
        <Empty title="No job has run yet">Work starts from the Data, Runs and Models pages, or by itself when a schedule or an alert asks for it.</Empty>
      )}
      <ul className="divide-y divide-line">
        {jobs?.map((job) => (
          <li key={job.id}>{job.id === open ? <OpenJob job={job} /> : <ClosedJob job={job} />}</li>
        ))}
      </ul>
    </Drawer>
  );
}

function ClosedJob({ job }: { job: Job }) {
  return (
    <Link to="." search={(before) => ({ ...before, jobs: job.id })} className="flex items-center gap-3 px-5 py-3 hover:bg-hover">
      <span className="min-w-0 flex-1 truncate text-sm font-medium">{jobTitle(job)}</span>
      {job.version !== null && <span className="font-mono text-xs text-ink-3">v{job.version}</span>}
      <span className="text-xs text-ink-3">{formatDate(job.createdAt)}</span>
      <Badge tone={jobTone[job.status]}>{humanise(job.status)}</Badge>
      <ChevronRight className="size-4 text-ink-3" aria-hidden />
    </Link>
  );
}

function OpenJob({ job }: { job: Job }) {
  const refusal = useRefusal('cancelJob');
  const cancel = useAction<string, 'cancelJob'>((id) => api('cancelJob', { params: { id } }), rememberJob);
  const metrics = Object.entries(job.metrics);
  return (
    <article aria-label={jobTitle(job)} className="flex flex-col gap-3 px-5 py-4">
      <div className="flex items-center gap-3">
        <h3 className="min-w-0 flex-1 truncate text-sm font-semibold">{jobTitle(job)}</h3>
        <Badge tone={jobTone[job.status]}>{humanise(job.status)}</Badge>
        {isRunning(job) && (
          <Button small refusal={refusal} busy={cancel.isPending} onClick={() => cancel.mutate(job.id)}>
            Cancel
          </Button>
        )}
      </div>
      <ProgressBar
        data-testid="job-progress"
        fraction={jobFraction(job)}
        label={`Progress of ${jobTitle(job)}`}
        tone={job.status === 'FAILED' ? 'bad' : job.status === 'SUCCEEDED' ? 'ok' : 'primary'}
      />
      <div className="flex flex-wrap items-baseline gap-x-4 gap-y-1 text-xs text-ink-2">
        <span className="text-sm font-medium text-ink">{formatPercent(jobFraction(job), 0)}</span>
        <span>{job.stage === '' ? 'Waiting for a free worker' : humanise(job.stage)}</span>
        {job.startedAt !== null && (
          <span>
            <Elapsed since={job.startedAt} until={job.finishedAt} />
          </span>
        )}
        {isRunning(job) && job.etaMs !== null && <span>about {formatSpan(job.etaMs)} left</span>}
        {job.attempts > 1 && <span>attempt {job.attempts}</span>}
        <span className="ml-auto text-ink-3">by {job.createdBy}</span>
      </div>
      {job.message !== '' && <p className="text-sm">{sentence(job.message)}</p>}
      {job.error !== null && (
        <div role="alert" className="rounded-md bg-bad-soft p-3 text-sm">
          <p className="font-medium text-bad">{job.error.detail}</p>
          <p className="mt-0.5 text-ink-2">
            {job.error.hint} <Code>{job.error.code}</Code>
          </p>
        </div>
      )}
      {metrics.length > 0 && (
        <dl className="grid grid-cols-2 gap-x-6 gap-y-1 text-xs sm:grid-cols-3">
          {metrics.map(([name, value]) => (
            <div key={name} className="flex justify-between gap-2">
              <dt className="truncate text-ink-3">{humanise(name)}</dt>
              <dd className="font-medium">{formatMetric(name, value)}</dd>
            </div>
          ))}
        </dl>
      )}
      {job.log.length > 0 && (
        <pre
          tabIndex={0}
          role="log"
          aria-label={`Log of ${jobTitle(job)}`}
          className="max-h-56 overflow-auto rounded-md border border-line bg-sunken p-3 font-mono text-2xs leading-relaxed whitespace-pre-wrap text-ink-2"
        >
          {job.log.slice(-60).join('\n')}
        </pre>
      )}
      <JobLinks job={job} />
    </article>
  );
}

const linkClass = 'text-sm font-medium text-link underline-offset-4 hover:underline';

/** Where to look on: the run that it does, the data that it brings, the version that it made. */
function JobLinks({ job }: { job: Job }) {
  const { data: runs = [] } = useQuery(runsQuery);
  // Trials belong to the run of their search.
  const run = runs.find(({ jobId, model, createdAt }) => jobId === job.id || (job.kind === 'trial' && model === job.model && createdAt <= job.createdAt));
  return (
    <p className="flex flex-wrap gap-x-5 gap-y-1">
      {run !== undefined && (
        <Link to="/runs/$id" params={{ id: run.id }} className={linkClass}>
          See the run
        </Link>
      )}
      {job.kind === 'ingest' && job.version === null && (
        <Link to="/data/$name" params={{ name: job.model }} className={linkClass}>
          See the data {job.model}
        </Link>
      )}
      {job.kind === 'ingest' && job.version !== null && (
        <Link to="/data/$name/$version" params={{ name: job.model, version: String(job.version) }} className={linkClass}>
          See {job.model} v{job.version}
        </Link>
      )}
      {job.kind !== 'ingest' && job.version !== null && (
        <Link to="/models" search={{ model: job.model, version: job.version }} className={linkClass}>
          See {job.model} v{job.version}
        </Link>
      )}
    </p>
  );
}
