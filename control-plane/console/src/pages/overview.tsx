import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Activity, ArrowRight, CircleCheck, Cpu, Database, ListChecks, Waypoints } from 'lucide-react';
import type { ReactNode } from 'react';
import type { Alert, Device, Job, Overview, Rollout } from '@serin/protocol/api/resources';
import { Sparkline } from '../charts/sparkline.tsx';
import { keys } from '../data/keys.ts';
import { alertsQuery, devicesQuery, jobsQuery, overviewQuery, rolloutsQuery } from '../data/queries.ts';
import { datasetPlace } from '../domain/data-place.ts';
import { unwellWords, versionShares } from '../domain/device-health.ts';
import { firstClause, formatCount, formatPercent, formatRate, formatSpan, humanise, plural } from '../domain/format.ts';
import { isRunning, jobFraction, jobTitle } from '../domain/job-view.ts';
import { isLive } from '../domain/rollout-view.ts';
import type { Rate } from '../live/merge.ts';
import { Badge, Code } from '../ui/badge.tsx';
import { buttonClass } from '../ui/button.tsx';
import { Empty, Page, Panel, PanelHead, Skeleton } from '../ui/panel.tsx';
import { ProgressBar } from '../ui/progress.tsx';
import { Ago } from '../ui/time.tsx';
import { AlertEvidence } from './alert-evidence.tsx';
import { DeviceGrid, HealthLegend } from './device-grid.tsx';
import { RolloutSummary } from './rollout-parts.tsx';

export function OverviewPage() {
  const { data: overview } = useQuery(overviewQuery);
  const { data: devices } = useQuery(devicesQuery);
  const { data: rollouts = [] } = useQuery(rolloutsQuery);
  const { data: jobs = [] } = useQuery(jobsQuery);
  const { data: alerts = [] } = useQuery(alertsQuery);
  const active = rollouts.filter(isLive);
  const running = jobs.filter(isRunning);
  const open = alerts.filter(({ state }) => state === 'OPEN');
  const unwell = unwellWords(devices ?? []);
  const strongest = open.toSorted((one, other) => other.effect - one.effect)[0];
  const busy = active.length + running.length + open.length > 0;

  return (
    <Page title="Overview" note={overview?.attention.length === 0 && devices !== undefined && (unwell === null ? <Calm /> : unwell)}>
      {overview !== undefined && overview.attention.length > 0 && <Attention overview={overview} />}
      <KeyFigures overview={overview} devices={devices} />
      <div className={busy ? 'grid items-start gap-5 lg:grid-cols-[minmax(0,1fr)_22rem] xl:grid-cols-[minmax(0,1fr)_26rem]' : ''}>
        <Fleet devices={devices} rollouts={active} />
        {busy && (
          <div className="order-first flex min-w-0 flex-col gap-5 lg:order-none">
            {active.map((rollout) => (
              <RolloutCard key={rollout.id} rollout={rollout} />
            ))}
            {running.map((job) => (
              <JobCard key={job.id} job={job} />
            ))}
            {strongest !== undefined && <AlertCard alert={strongest} others={open.length - 1} />}
          </div>
        )}
      </div>
    </Page>
  );
}

function KeyFigures({ overview, devices }: { overview: Overview | undefined; devices: readonly Device[] | undefined }) {
  const { data: rates = [] } = useQuery<readonly Rate[]>({ queryKey: keys.rates, queryFn: () => [], staleTime: Infinity, enabled: false });
  if (overview === undefined) return <Skeleton className="h-25" />;
  const { total, online, synthetic } = overview.devices;
  return (
    <Panel
      aria-label="Key figures"
      className="grid grid-cols-2 overflow-hidden lg:grid-cols-4 [&>*]:border-line max-lg:[&>*:nth-child(even)]:border-l max-lg:[&>*:nth-child(n+3)]:border-t lg:[&>*+*]:border-l"
    >
      <Figure
        name="Devices online"
        value={formatCount(online)}
        unit={`of ${formatCount(total)}`}
        note={total === 0 ? 'none has joined' : synthetic === 0 ? 'all real' : `${formatCount(synthetic)} synthetic`}
      />
      <Figure name="Inferences per second" value={formatRate(overview.inferencesPerS)} note="whole fleet">
        <Sparkline values={rates.map((rate) => rate.inferencesPerS)} className="h-8 w-full" />
      </Figure>
      <Figure name="Telemetry windows" value={formatRate(overview.windowsPerMinute)} unit="per minute" note="stored and acknowledged">
        <Sparkline values={rates.map((rate) => rate.windowsPerMinute)} color="var(--series-3)" className="h-8 w-full" />
      </Figure>
      <VersionFigure devices={devices ?? []} />
    </Panel>
  );
}

function Figure({ name, value, unit, note, children }: { name: string; value: string; unit?: string; note: string; children?: ReactNode }) {
  return (
    <div className="flex min-w-0 gap-3 px-4 py-3.5">
      <div className="min-w-0 shrink-0">
        <p className="text-xs text-ink-2">{name}</p>
        <p className="mt-1 flex items-baseline gap-1.5">
          <span className="text-2xl font-semibold tracking-[-0.02em] tabular-nums">{value}</span>
          {unit !== undefined && <span className="text-sm text-ink-3">{unit}</span>}
        </p>
        <p className="text-2xs text-ink-3">{note}</p>
      </div>
      <div className="hidden min-w-0 flex-1 self-end pb-1 xl:block">{children}</div>
    </div>
  );
}

const versionTones = ['var(--ink)', 'var(--canary)', 'var(--series-1)', 'var(--reference)'];

/** Which versions are in service, as a share of the fleet. */
function VersionFigure({ devices }: { devices: readonly Device[] }) {
  const shares = versionShares(devices).slice(0, 4);
  const most = shares.toSorted((one, other) => other.devices - one.devices)[0];
  const color = (index: number): string => (shares[index] === most ? 'var(--ink)' : (versionTones.slice(1)[index % 3] ?? 'var(--reference)'));
  return (
    <div className="flex min-w-0 flex-col px-4 py-3.5">
      <p className="text-xs text-ink-2">Versions in service</p>
      <div className="mt-3 flex h-2 gap-0.5 overflow-hidden rounded-full" aria-hidden>
        {shares.map(({ version, share }, index) => (
          <span
            key={version ?? 'none'}
            className="h-full min-w-1 rounded-xs transition-[flex-grow] duration-500"
            style={{ flexGrow: share, backgroundColor: color(index) }}
          />
        ))}
      </div>
      <ul className="mt-2 flex flex-wrap gap-x-4 gap-y-0.5 text-xs">
        {shares.map(({ version, devices: count }, index) => (
          <li key={version ?? 'none'}>
            <Link to="/devices" search={{ version: String(version ?? 'none') }} className="inline-flex items-center gap-1.5 hover:underline">
              <span className="size-2 rounded-xs" style={{ backgroundColor: color(index) }} aria-hidden />
              <span className="font-mono">{version === null ? 'none' : `v${version}`}</span>
              <span className="text-ink-3">{plural(count, 'device')}</span>
            </Link>
          </li>
        ))}
        {shares.length === 0 && <li className="text-ink-3">No device yet</li>}
      </ul>
    </div>
  );
}

type AttentionItem = Overview['attention'][number];

const attentionIcon = { alert: Activity, rollout: Waypoints, device: Cpu, job: ListChecks, dataset: Database, source: Database } as const;

function Calm() {
  return (
    <span className="inline-flex items-center gap-1.5">
      <CircleCheck className="size-3.5 text-ok" aria-hidden />
      Nothing needs attention.
    </span>
  );
}

/** What wants a person, each with one thing to do. */
function Attention({ overview }: { overview: Overview }) {
  return (
    <Panel aria-labelledby="attention">
      <PanelHead id="attention" title="Needs attention" note={plural(overview.attention.length, 'item')} />
      <ul className="divide-y divide-line">
        {overview.attention.map((item) => {
          const Icon = attentionIcon[item.kind];
          return (
            <li key={`${item.kind} ${item.id}`} className="flex items-center gap-3 px-4 py-2.5">
              <Icon className="size-4 shrink-0 text-warn" aria-hidden />
              <p className="min-w-0 flex-1 text-sm">
                {firstClause(item.words)} <Ago at={item.since} className="text-xs whitespace-nowrap text-ink-3" />
              </p>
              <AttentionAction item={item} />
            </li>
          );
        })}
      </ul>
    </Panel>
  );
}

function AttentionAction({ item: { kind, id } }: { item: AttentionItem }) {
  const look = buttonClass('plain', true);
  const arrow = <ArrowRight className="size-3.5" aria-hidden />;
  if (kind === 'alert')
    return (
      <Link to="/drift" search={{ alert: id }} className={look}>
        See the drift {arrow}
      </Link>
    );
  if (kind === 'rollout')
    return (
      <Link to="/rollouts/$id" params={{ id }} className={look}>
        Review {arrow}
      </Link>
    );
  if (kind === 'dataset') {
    const { name, version } = datasetPlace(id);
    if (version !== null)
      return (
        <Link to="/data/$name/$version" params={{ name, version }} className={look}>
          Review the batch {arrow}
        </Link>
      );
    return (
      <Link to="/data/$name" params={{ name }} className={look}>
        Open dataset {arrow}
      </Link>
    );
  }
  if (kind === 'source')
    return (
      <Link to="/data" className={look}>
        See the source {arrow}
      </Link>
    );
  if (kind === 'device')
    return (
      <Link to="/devices/$id" params={{ id }} className={look}>
        Open device {arrow}
      </Link>
    );
  return (
    <Link to="." search={(before) => ({ ...before, jobs: id })} className={look}>
      Show log {arrow}
    </Link>
  );
}

function Fleet({ devices, rollouts }: { devices: readonly Device[] | undefined; rollouts: readonly Rollout[] }) {
  const canaries = new Set(
    rollouts
      .filter(({ stageIndex }) => stageIndex === 0)
      .flatMap(({ members }) => members.filter(({ stage }) => stage === 0).map(({ device }) => device as string)),
  );
  const shown = devices?.filter(({ state }) => state === 'ACTIVE') ?? [];
  return (
    <Panel aria-labelledby="fleet" className="min-w-0">
      <PanelHead id="fleet" title="Devices">
        {devices !== undefined && <HealthLegend devices={shown} />}
      </PanelHead>
      {devices === undefined && <Skeleton className="m-4 h-48" />}
      {devices !== undefined && shown.length === 0 && (
        <Empty
          title="No device has joined yet"
          action={
            <Link to="/settings" search={{ tab: 'enrol' }} className={buttonClass('primary')}>
              Enrol a device
            </Link>
          }
        >
          A device joins with a single-use token and one line, <Code className="whitespace-nowrap">npm run agent -- …</Code>
        </Empty>
      )}
      {shown.length > 0 && <DeviceGrid devices={shown} canaries={canaries} />}
    </Panel>
  );
}

function RolloutCard({ rollout }: { rollout: Rollout }) {
  return (
    <Panel aria-label={`Rollout of ${rollout.model} v${rollout.version}`}>
      <RolloutSummary rollout={rollout} />
    </Panel>
  );
}

function JobCard({ job }: { job: Job }) {
  const fraction = jobFraction(job);
  return (
    <Panel aria-label={jobTitle(job)} className="px-4 py-3.5">
      <div className="flex items-baseline gap-3">
        <h2 className="min-w-0 flex-1 truncate text-sm font-semibold">{jobTitle(job)}</h2>
        <span className="text-sm font-semibold">{formatPercent(fraction, 0)}</span>
      </div>
      <ProgressBar className="mt-2.5" fraction={fraction} label={`Progress of ${jobTitle(job)}`} data-testid="job-progress" />
      <div className="mt-2 flex items-baseline gap-3 text-xs text-ink-2">
        <span className="min-w-0 flex-1 truncate">
          {job.stage === '' ? 'Waiting for a free worker' : humanise(job.stage)}
          {job.etaMs !== null && `, about ${formatSpan(job.etaMs)} left`}
        </span>
        <Link to="." search={(before) => ({ ...before, jobs: job.id })} className="font-medium text-link underline-offset-4 hover:underline">
          Log
        </Link>
      </div>
    </Panel>
  );
}

/** The alert with the largest effect: one cause often moves several statistics. */
function AlertCard({ alert, others }: { alert: Alert; others: number }) {
  return (
    <Panel aria-label={`Alert: ${alert.statistic}`} data-testid="alert-open" data-id={alert.id}>
      <PanelHead title="Drift alert" note={<Ago at={alert.openedAt} />}>
        <Badge tone={alert.severity === 'high' ? 'bad' : 'warn'}>{humanise(alert.severity)}</Badge>
      </PanelHead>
      <div className="flex flex-col gap-3 p-4">
        <p className="text-sm">
          {firstClause(alert.words)}
          {others > 0 && <span className="text-ink-3">; {plural(others, 'other statistic has', 'other statistics have')} an alert too</span>}
        </p>
        <AlertEvidence alert={alert} height={140} />
        <Link to="/drift" search={{ alert: alert.id }} className="self-start text-sm font-medium text-link underline-offset-4 hover:underline">
          Devices, samples and what to do
        </Link>
      </div>
    </Panel>
  );
}
