import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { Sparkles } from 'lucide-react';
import type { Alert } from '@serin/protocol/api/resources';
import { api } from '../data/api.ts';
import { rememberJob, useAction } from '../data/actions.ts';
import { alertsQuery, devicesQuery, jobsQuery, samplesQuery } from '../data/queries.ts';
import { useRefusal } from '../data/use-session.ts';
import { deviceId } from '@serin/protocol/ids';
import { naturalOrder } from '../domain/device-health.ts';
import { firstClause, formatDate, formatEvidence, formatFull, formatNumber, formatPercent, humanise, plural, sentence } from '../domain/format.ts';
import { isRunning, jobFraction, jobTitle } from '../domain/job-view.ts';
import { Badge } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { cn } from '../ui/cn.ts';
import { SelectField } from '../ui/field.tsx';
import { Empty, Fact, Facts, Page, Panel, PanelHead, Skeleton } from '../ui/panel.tsx';
import { ProgressBar } from '../ui/progress.tsx';
import { Segmented } from '../ui/segmented.tsx';
import { Ago, Elapsed } from '../ui/time.tsx';
import { AlertEvidence } from './alert-evidence.tsx';
import { labelOrigins, SampleGrid } from './sample-grid.tsx';

const route = getRouteApi('/shell/drift');

export function DriftPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { data: alerts } = useQuery(alertsQuery);
  const shown = alerts?.filter(({ state }) => search.state === undefined || state === search.state);
  const chosen = shown?.find(({ id }) => id === search.alert) ?? shown?.[0];
  const open = alerts?.filter(({ state }) => state === 'OPEN').length ?? 0;
  return (
    <Page
      title="Drift & samples"
      note={alerts === undefined ? 'Loading…' : open === 0 ? 'No open alert' : plural(open, 'open alert')}
      actions={
        <Segmented
          label="Alerts"
          value={search.state ?? 'all'}
          options={[
            { value: 'all', label: 'All' },
            { value: 'OPEN', label: 'Open' },
            { value: 'CLEARED', label: 'Cleared' },
          ]}
          onChange={(next) =>
            void navigate({ search: ({ state: _, alert: __, ...before }) => (next === 'all' ? before : { ...before, state: next }), replace: true })
          }
        />
      }
    >
      {shown === undefined && <Skeleton className="h-72" />}
      {shown?.length === 0 && (
        <Panel>
          <Empty title={search.state === undefined ? 'No alert so far' : 'No alert in this state'}>
            Every telemetry window is compared with the reference that was frozen into the signed bundle. An alert opens when the evidence against “no drift” is
            large and the effect is too.
          </Empty>
        </Panel>
      )}
      {chosen !== undefined && shown !== undefined && (
        <div className="grid items-start gap-5 lg:grid-cols-[18rem_minmax(0,1fr)] xl:grid-cols-[22rem_minmax(0,1fr)]">
          <AlertList alerts={shown} chosen={chosen.id} />
          <AlertDetail key={chosen.id} alert={chosen} />
        </div>
      )}
      <Samples />
    </Page>
  );
}

const severityTone = { low: 'idle', medium: 'warn', high: 'bad' } as const;

function AlertList({ alerts, chosen }: { alerts: readonly Alert[]; chosen: string }) {
  return (
    <Panel aria-label="Alerts" className="max-h-[30rem] overflow-y-auto">
      <ul className="divide-y divide-line">
        {alerts.map((alert) => (
          <li key={alert.id}>
            <Link
              from="/drift"
              to="/drift"
              search={(before) => ({ ...before, alert: alert.id })}
              resetScroll={false}
              aria-current={alert.id === chosen}
              data-testid={alert.state === 'OPEN' ? 'alert-open' : 'alert-cleared'}
              data-id={alert.id}
              className={cn('flex flex-col gap-1 px-4 py-3', alert.id === chosen ? 'bg-hover' : 'hover:bg-hover')}
            >
              <span className="flex items-center gap-2">
                <span className={cn('size-2 shrink-0 rotate-45', alert.state === 'OPEN' ? 'bg-warn' : 'border border-idle')} aria-hidden />
                <span className="min-w-0 truncate text-sm font-medium">{humanise(alert.statistic)}</span>
                <span className="ml-auto">
                  {alert.state === 'OPEN' ? <Badge tone={severityTone[alert.severity]}>{humanise(alert.severity)}</Badge> : <Badge>Cleared</Badge>}
                </span>
              </span>
              <span className="flex justify-between gap-2 text-xs text-ink-3">
                <span className="truncate">
                  {alert.model} v{alert.version}, {plural(alert.devices.length, 'device')}
                </span>
                <span className="shrink-0">{formatDate(alert.openedAt)}</span>
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function AlertDetail({ alert }: { alert: Alert }) {
  return (
    <Panel aria-labelledby="alert" className="min-w-0">
      <PanelHead
        id="alert"
        title={`${humanise(alert.statistic)} has drifted`}
        note={
          alert.state === 'OPEN' ? (
            <>
              open for <Elapsed since={alert.openedAt} until={null} />
            </>
          ) : (
            <>
              cleared <Ago at={alert.clearedAt} />
            </>
          )
        }
      >
        <RetrainAction alert={alert} />
      </PanelHead>
      <div className="flex flex-col gap-5 p-4">
        <p className="text-base">{firstClause(alert.words)}</p>
        <AlertEvidence alert={alert} height={210} />
        <div className="grid gap-x-10 gap-y-5 md:grid-cols-2">
          <Facts className="content-start">
            <Fact name="Since">{formatFull(alert.since)}</Fact>
            <Fact name="Effect (corrected PSI)">{formatNumber(alert.effect)}</Fact>
            <Fact name="Evidence">
              {formatEvidence(alert.evidence)} <span className="text-ink-3">of {formatNumber(alert.threshold)}</span>
            </Fact>
            <Fact name="Model">
              <Link to="/models" search={{ model: alert.model, version: alert.version }} className="text-link hover:underline">
                {alert.model} v{alert.version}
              </Link>
            </Fact>
          </Facts>
          <section aria-label="Devices of this alert">
            <h3 className="eyebrow mb-2">On {plural(alert.devices.length, 'device')}</h3>
            <ul className="flex flex-wrap gap-1.5">
              {alert.devices.slice(0, 40).map((device) => (
                <li key={device}>
                  <Link
                    to="/devices/$id"
                    params={{ id: device }}
                    className="inline-flex h-6 items-center rounded-sm border border-line px-2 text-xs hover:border-line-strong hover:bg-hover"
                  >
                    {device}
                  </Link>
                </li>
              ))}
              {alert.devices.length > 40 && <li className="self-center text-xs text-ink-3">and {alert.devices.length - 40} more</li>}
            </ul>
          </section>
        </div>
        <p className="border-t border-line pt-3 text-xs text-ink-3">
          <span className="font-medium text-ink-2">What the alarm rate rests on:</span> {sentence(alert.assumption)}
        </p>
      </div>
    </Panel>
  );
}

/** One action: retrain, or look at the retraining that has begun. */
function RetrainAction({ alert }: { alert: Alert }) {
  const navigate = route.useNavigate();
  const refusal = useRefusal('startJob');
  const { data: jobs = [] } = useQuery(jobsQuery);
  const job = jobs.find(({ id }) => id === alert.jobId);
  const retrain = useAction<undefined, 'startJob'>(
    () => api('startJob', { body: { kind: 'retrain', model: alert.model, rollout: true } }),
    (started, client) => {
      rememberJob(started, client);
      void navigate({ search: (before) => ({ ...before, jobs: started.id }) });
    },
  );
  if (job !== undefined) {
    return (
      <Link to="." search={(before) => ({ ...before, jobs: job.id })} className="flex items-center gap-2.5 text-xs font-medium hover:underline">
        {isRunning(job) ? (
          <>
            Retraining
            <ProgressBar fraction={jobFraction(job)} label={`Progress of ${jobTitle(job)}`} className="w-24" data-testid="job-progress" />
            {formatPercent(jobFraction(job), 0)}
          </>
        ) : (
          `Retraining ${humanise(job.status).toLowerCase()}${job.version === null ? '' : `: v${job.version}`}`
        )}
      </Link>
    );
  }
  if (alert.state !== 'OPEN') return null;
  return (
    <Button
      kind="primary"
      small
      refusal={refusal}
      busy={retrain.isPending}
      icon={<Sparkles className="size-3.5" aria-hidden />}
      onClick={() => retrain.mutate(undefined)}
    >
      Retrain and roll out
    </Button>
  );
}

function Samples() {
  const { device: wanted } = route.useSearch();
  const navigate = route.useNavigate();
  const { data: devices = [] } = useQuery(devicesQuery);
  const parsed = deviceId.safeParse(wanted);
  const { data: samples } = useQuery(samplesQuery(parsed.success ? { device: parsed.data } : {}));
  return (
    <Panel aria-labelledby="samples">
      <PanelHead id="samples" title="Recent samples" note={`frames that devices sent along, ${labelOrigins(samples ?? [])}`}>
        <SelectField
          label="Device"
          hideLabel
          value={wanted ?? ''}
          onChange={(event) =>
            void navigate({
              search: ({ device: _, ...before }) => (event.target.value === '' ? before : { ...before, device: event.target.value }),
              replace: true,
            })
          }
        >
          <option value="">Any device</option>
          {devices
            .map(({ id }) => id as string)
            .toSorted(naturalOrder)
            .map((id) => (
              <option key={id}>{id}</option>
            ))}
        </SelectField>
      </PanelHead>
      {samples === undefined && <Skeleton className="m-4 h-40" />}
      {samples?.length === 0 && <Empty title="No sample yet">Devices send single frames along only where their orders allow it.</Empty>}
      {samples !== undefined && samples.length > 0 && <SampleGrid samples={samples} />}
    </Panel>
  );
}
