import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { Check, ChevronRight, CircleCheck, CircleX, ExternalLink, GitCompareArrows, Repeat, X } from 'lucide-react';
import type { RunDetail } from '@serin/protocol/api/runs';
import { reportArtifact } from '@serin/protocol/bundle/report';
import { errorCatalogue, isErrorCode } from '@serin/protocol/errors';
import { BarList } from '../charts/bar-list.tsx';
import { LineChart } from '../charts/line-chart.tsx';
import { api } from '../data/api.ts';
import { rememberJob, rememberRun, useAction } from '../data/actions.ts';
import { runQuery, runsQuery } from '../data/data-queries.ts';
import { jobsQuery } from '../data/queries.ts';
import { useRefusal } from '../data/use-session.ts';
import { formatFull, formatMetric, formatNumber, formatPercent, groupDigits, humanise, plural, sentence } from '../domain/format.ts';
import { isRunning } from '../domain/job-view.ts';
import { cachedWords, formatDifference, groupSeries, isBetter, keyMetric, metricNames } from '../domain/run-view.ts';
import { Code } from '../ui/badge.tsx';
import { Button, buttonClass } from '../ui/button.tsx';
import { cn } from '../ui/cn.ts';
import { Empty, Page, Panel, PanelHead, Skeleton } from '../ui/panel.tsx';
import { ProgressBar } from '../ui/progress.tsx';
import { Ago, Elapsed } from '../ui/time.tsx';
import { Artifacts, Environment, Log, Made, Parameters } from './run-record.tsx';
import { RunStatusBadge, StageStrip } from './run-parts.tsx';
import { Confusion, Slices, Trials } from './run-report.tsx';

const route = getRouteApi('/shell/runs/$id');

export function RunPage() {
  const { id } = route.useParams();
  const { data: run, isError } = useQuery(runQuery(id));
  if (isError && run === undefined) {
    return (
      <Page title="Run">
        <Panel>
          <Empty
            title="There is no such run"
            action={
              <Link to="/runs" className="text-sm font-medium text-link hover:underline">
                See all runs
              </Link>
            }
          />
        </Panel>
      </Page>
    );
  }
  return (
    <Page
      name={run === undefined ? 'Run' : `Run of ${run.model}`}
      title={
        <span className="flex flex-wrap items-baseline gap-x-2">
          <Link to="/runs" className="text-ink-3 hover:text-ink">
            Runs
          </Link>
          <ChevronRight className="size-4 self-center text-ink-3" aria-hidden />
          {run?.model ?? '…'}
        </span>
      }
      note={run !== undefined && <Note run={run} />}
      actions={run !== undefined && <Actions run={run} />}
    >
      {run === undefined ? <Skeleton className="h-72" /> : <Detail run={run} />}
    </Page>
  );
}

function Note({ run }: { run: RunDetail }) {
  return (
    <>
      {run.pipeline !== null && (
        <>
          Pipeline{' '}
          <Link to="/pipelines/$name" params={{ name: run.pipeline }} className="text-link underline underline-offset-2">
            {run.pipeline}
          </Link>
          ,{' '}
        </>
      )}
      begun <Ago at={run.createdAt} /> by {run.createdBy}, {run.status === 'RUNNING' ? 'for' : 'took'} <Elapsed since={run.createdAt} until={run.finishedAt} />
      {run.status === 'SUCCEEDED' && `; ${cachedWords(run)}`}
    </>
  );
}

function Actions({ run }: { run: RunDetail }) {
  const navigate = route.useNavigate();
  const denied = useRefusal('repeatRun');
  const { data: runs = [] } = useQuery(runsQuery);
  const before = runs.find(({ id, model, createdAt, status }) => id !== run.id && model === run.model && status === 'SUCCEEDED' && createdAt < run.createdAt);
  const repeat = useAction<undefined, 'repeatRun'>(
    () => api('repeatRun', { params: { id: run.id } }),
    ({ run: begun, job }, client) => {
      rememberRun(begun, client);
      rememberJob(job, client);
      void navigate({ to: '/runs/$id', params: { id: begun.id } });
    },
  );
  const refusal = denied ?? (run.pipeline === null ? 'Only runs of a pipeline can be repeated' : run.status === 'RUNNING' ? 'It has not finished' : null);
  const partner = run.repeats ?? before?.id;
  return (
    <>
      <RunStatusBadge status={run.status} />
      {partner !== undefined && (
        <Link to="/runs/compare" search={{ left: partner, right: run.id }} className={buttonClass('plain')}>
          <GitCompareArrows className="size-4 text-ink-2" aria-hidden />
          Compare <span className="max-sm:sr-only">{run.repeats === null ? 'with the run before' : 'with what it repeats'}</span>
        </Link>
      )}
      <Button refusal={refusal} busy={repeat.isPending} icon={<Repeat className="size-4 text-ink-2" aria-hidden />} onClick={() => repeat.mutate(undefined)}>
        Repeat
      </Button>
    </>
  );
}

function Detail({ run }: { run: RunDetail }) {
  const metric = keyMetric(run);
  return (
    <>
      <Verdict run={run} />
      {run.error !== null && (
        <div role="alert" className="rounded-lg bg-bad-soft px-4 py-3">
          {isErrorCode(run.error.code) && <p className="text-sm font-semibold text-bad">{errorCatalogue[run.error.code].message}</p>}
          <p className="text-sm wrap-anywhere whitespace-pre-line">{run.error.detail}</p>
          <p className="mt-0.5 text-sm text-ink-2">
            {run.error.hint} <Code>{run.error.code}</Code>
          </p>
        </div>
      )}
      <Stages run={run} />
      <div className="grid grid-cols-1 items-start gap-5 lg:grid-cols-[minmax(0,1fr)_20rem] xl:grid-cols-[minmax(0,1fr)_25rem]">
        <div className="flex min-w-0 flex-col gap-5 max-lg:contents">
          <Metrics run={run} />
          <Curves run={run} />
          {run.trials.length > 0 && metric !== null && <Trials run={run} metric={metric} />}
          {run.slices.length > 0 && <Slices run={run} />}
          {run.confusion !== null && <Confusion confusion={run.confusion} />}
          <Importance run={run} />
          <Log run={run} />
        </div>
        <div className="flex min-w-0 flex-col gap-5 max-lg:contents">
          <Gate run={run} />
          <Made run={run} />
          <Environment run={run} />
          <Parameters run={run} />
          <Artifacts run={run} />
        </div>
      </div>
    </>
  );
}

/** What came of a repetition: the same to the last bit, or what is different. */
function Verdict({ run: { verdict, repeats, status } }: { run: RunDetail }) {
  if (repeats === null) return null;
  const of = (
    <Link to="/runs/$id" params={{ id: repeats }} className="text-link underline underline-offset-2">
      an earlier run
    </Link>
  );
  if (verdict === null) {
    return (
      <p className="rounded-lg border border-line bg-surface px-4 py-3 text-sm">
        {status === 'RUNNING' ? (
          <>This repeats {of}; whether the same comes out is said here.</>
        ) : (
          <>This was to repeat {of}, and did not get far enough to tell.</>
        )}
      </p>
    );
  }
  if (verdict.identical) {
    return (
      <p className="flex items-center gap-2 rounded-lg bg-ok-soft px-4 py-3 text-sm" data-testid="verdict" data-identical="true">
        <CircleCheck className="size-4 shrink-0 text-ok" aria-hidden />
        <span>
          <span className="font-semibold text-ok">Identical:</span> the same weights and the same figures as {of}, to the last bit.
        </span>
      </p>
    );
  }
  return (
    <div className="flex items-start gap-2 rounded-lg bg-bad-soft px-4 py-3 text-sm" data-testid="verdict" data-identical="false">
      <CircleX className="mt-0.5 size-4 shrink-0 text-bad" aria-hidden />
      <div className="min-w-0">
        <p>
          <span className="font-semibold text-bad">Not identical</span> with {of}:
        </p>
        <ul className="mt-1 list-disc pl-4">
          {verdict.differences.map((difference) => (
            <li key={difference} className="wrap-anywhere">
              {sentence(difference)}
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}

function Stages({ run }: { run: RunDetail }) {
  const { data: jobs = [] } = useQuery(jobsQuery);
  const job = jobs.find(({ id }) => id === run.jobId);
  if (run.stages.length === 0 && (job === undefined || !isRunning(job))) return null;
  return (
    <Panel aria-label="Stages" className="px-4 pt-3 pb-4">
      {job !== undefined && isRunning(job) && (
        <div className="mb-4 flex items-center gap-3 text-xs text-ink-2">
          <ProgressBar fraction={job.fraction} label={`Progress of the run of ${run.model}`} className="min-w-0 flex-1" data-testid="job-progress" />
          <span className="max-w-[60%] truncate">
            {formatPercent(job.fraction, 0)}
            {job.message !== '' && `, ${job.message}`}
          </span>
          <Link to="." search={(before) => ({ ...before, jobs: job.id })} className="font-medium text-link hover:underline">
            Job
          </Link>
        </div>
      )}
      <StageStrip stages={run.stages} />
    </Panel>
  );
}

function Metrics({ run }: { run: RunDetail }) {
  const names = metricNames(run);
  const baseline = run.baseline;
  return (
    <Panel aria-labelledby="metrics" className="min-w-0 overflow-hidden">
      <PanelHead id="metrics" title="Metrics" note={baseline === null ? undefined : `beside the baseline, ${baseline.name}`} />
      {names.length === 0 && (
        <p className="p-4 text-sm text-ink-3">
          {run.status === 'RUNNING' ? 'They come with the evaluation.' : 'The run ended before its model was evaluated.'}
        </p>
      )}
      {names.length > 0 && (
        <table className="w-full text-sm">
          <caption className="sr-only">Metrics</caption>
          <thead>
            <tr className="border-b border-line text-right text-xs text-ink-3">
              <th scope="col" className="px-4 py-2 text-left font-medium">
                Metric
              </th>
              <th scope="col" className="px-2 py-2 font-medium">
                Value
              </th>
              <th scope="col" className="px-2 py-2 font-medium max-sm:hidden">
                95% interval
              </th>
              <th scope="col" className="px-2 py-2 font-medium max-sm:hidden">
                Baseline
              </th>
              <th scope="col" className="px-4 py-2 font-medium">
                Gained
              </th>
            </tr>
          </thead>
          <tbody className="divide-y divide-line">
            {names.map((name, index) => (
              <MetricRow
                key={name}
                name={name}
                value={run.metrics[name] ?? Number.NaN}
                interval={run.intervals[name]}
                base={baseline?.metrics[name]}
                isKey={index === 0}
              />
            ))}
          </tbody>
        </table>
      )}
      {run.assumptions.length > 0 && (
        <ul className="border-t border-line px-4 py-2.5 text-xs text-ink-3">
          {run.assumptions.map((words) => (
            <li key={words}>{sentence(words)}</li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

interface MetricRowProps {
  name: string;
  value: number;
  interval: RunDetail['intervals'][string] | undefined;
  base: number | undefined;
  isKey: boolean;
}

function MetricRow({ name, value, interval, base, isKey }: MetricRowProps) {
  const better = base === undefined ? null : isBetter(name, value - base);
  return (
    <tr className="text-right tabular-nums">
      <th scope="row" className={cn('px-4 py-2 text-left', isKey ? 'font-semibold' : 'font-normal text-ink-2')}>
        {humanise(name)}
      </th>
      <td className={cn('px-2 py-2', isKey ? 'text-base font-semibold' : 'font-medium')}>{formatMetric(name, value)}</td>
      <td className="px-2 py-2 text-xs whitespace-nowrap text-ink-2 max-sm:hidden">
        {interval === undefined ? '–' : `${formatMetric(name, interval.low)} to ${formatMetric(name, interval.high)}`}
      </td>
      <td className="px-2 py-2 text-ink-2 max-sm:hidden">{base === undefined ? '–' : formatMetric(name, base)}</td>
      <td className={cn('px-4 py-2', better === true ? 'text-ok' : better === false ? 'text-bad' : 'text-ink-3')}>
        {base === undefined ? '–' : formatDifference(name, value - base)}
        {better !== null && <span className="sr-only">{better ? ', better' : ', worse'}</span>}
      </td>
    </tr>
  );
}

const lineColors = ['var(--series-1)', 'var(--series-2)', 'var(--series-3)', 'var(--series-4)'];

function Curves({ run }: { run: RunDetail }) {
  const groups = groupSeries(run.series.filter(({ points }) => points.length > 0));
  if (groups.length === 0) return null;
  return (
    <Panel aria-labelledby="curves">
      <PanelHead id="curves" title="How it learnt" note={run.status === 'RUNNING' ? 'as it comes' : undefined} />
      <div className="grid gap-x-8 gap-y-6 p-4 xl:grid-cols-2 [&>:only-child]:xl:col-span-2">
        {groups.map(({ measure, series }) => (
          <LineChart
            key={measure}
            title={humanise(series.length === 1 ? (series[0]?.name ?? measure) : measure)}
            lines={series.map(({ name, points }, index) => ({ name, points, color: lineColors[index % 4] ?? 'var(--series-1)', dashed: index % 2 === 1 }))}
          />
        ))}
      </div>
    </Panel>
  );
}

const importanceShown = 15;

function Importance({ run: { importance } }: { run: RunDetail }) {
  if (importance === null || importance.columns.length === 0) return null;
  const most = Math.max(...importance.columns.map(({ value }) => value), 1e-12);
  return (
    <Panel aria-labelledby="importance">
      <PanelHead
        id="importance"
        title="What the answers rest on"
        note={
          importance.columns.length > importanceShown
            ? `the first ${importanceShown} of ${plural(importance.columns.length, 'column')}`
            : plural(importance.columns.length, 'column')
        }
      />
      <div className="p-4">
        <BarList
          title={importance.method}
          head={['Column', importance.method]}
          mono
          bars={importance.columns.slice(0, importanceShown).map(({ name, value }) => ({ name, length: value / most, value: formatNumber(value) }))}
        />
      </div>
    </Panel>
  );
}

function Gate({ run }: { run: RunDetail }) {
  const { gate, version, model } = run;
  return (
    <Panel aria-labelledby="gate" className="max-lg:order-first">
      <PanelHead id="gate" title={gate === null ? 'Gate' : gate.passed ? 'Gate: passed' : 'Gate: not passed'}>
        {reportArtifact(run) !== undefined && (
          <a href={`/api/runs/${run.id}/report?format=html`} target="_blank" rel="noopener" className={buttonClass('plain', true)}>
            Report
            <ExternalLink className="size-3.5 text-ink-2" aria-label="opens in a new tab" />
          </a>
        )}
        {version !== null && (
          <Link to="/models" search={{ model, version }} className={buttonClass('primary', true)}>
            {model} v{version}
          </Link>
        )}
      </PanelHead>
      <div className="flex flex-col gap-2 p-4">
        {gate === null && (
          <p className="text-sm text-ink-3">{run.status === 'RUNNING' ? 'It is judged when the model is ready.' : 'The run did not come to its gate.'}</p>
        )}
        <ul className="flex flex-col gap-2">
          {gate?.checks.map((check) => (
            <li key={check.name} className="flex items-start gap-2 text-sm">
              {check.passed ? (
                <Check className="mt-0.5 size-4 shrink-0 text-ok" aria-label="passed" />
              ) : (
                <X className="mt-0.5 size-4 shrink-0 text-bad" aria-label="not passed" />
              )}
              <span className="min-w-0 flex-1">{sentence(groupDigits(check.words))}</span>
            </li>
          ))}
        </ul>
        {gate?.passed === true && version === null && run.status === 'SUCCEEDED' && (
          <p className="text-xs text-ink-3">No version was made of it: a repetition only tells whether the same comes out.</p>
        )}
        {run.finishedAt !== null && <p className="text-xs text-ink-3">Finished {formatFull(run.finishedAt)}</p>}
      </div>
    </Panel>
  );
}
