import { useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { deviceId, type DeviceId } from '@serin/protocol/ids';
import type { Device, DevicePoint } from '@serin/protocol/api/resources';
import { errorCatalogue, isErrorCode } from '@serin/protocol/errors';
import { TimeChart, type TimeMark, type TimeRow } from '../charts/time-chart.tsx';
import { api } from '../data/api.ts';
import { useAction } from '../data/actions.ts';
import { keys } from '../data/keys.ts';
import { devicesQuery, historyQuery, samplesQuery } from '../data/queries.ts';
import { useRefusal } from '../data/use-session.ts';
import { deviceHealth, healthLabel, healthReason } from '../domain/device-health.ts';
import { pointsWithin, versionMarks } from '../domain/device-history.ts';
import { formatCount, formatMs, formatNumber, formatPercent, formatRate, humanise, sentence } from '../domain/format.ts';
import { spans, type Span } from '../domain/search.ts';
import { Badge, Code, VersionTag } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { cn } from '../ui/cn.ts';
import { Dialog, DialogActions, DialogBody } from '../ui/dialog.tsx';
import { HealthMark } from '../ui/health-mark.tsx';
import { Empty, Fact, Facts, Page, Panel, PanelHead, Skeleton } from '../ui/panel.tsx';
import { ProgressBar } from '../ui/progress.tsx';
import { Segmented } from '../ui/segmented.tsx';
import { Ago } from '../ui/time.tsx';
import { MeasuredVariants } from './measured-variants.tsx';
import { labelOrigins, SampleGrid } from './sample-grid.tsx';

const route = getRouteApi('/shell/devices/$id');
const refetchLeastMs = 2000;

export function DevicePage() {
  const { id } = route.useParams();
  const { data: devices } = useQuery(devicesQuery);
  const device = devices?.find((each) => each.id === id);
  const parsed = deviceId.safeParse(id);
  if (devices === undefined) {
    return (
      <Page title={id}>
        <Skeleton className="h-72" />
      </Page>
    );
  }
  if (device === undefined || !parsed.success) {
    return (
      <Page title={id}>
        <Panel>
          <Empty
            title="There is no device by that name"
            action={
              <Link to="/devices" className="text-sm font-medium text-link hover:underline">
                See all devices
              </Link>
            }
          />
        </Panel>
      </Page>
    );
  }
  return <DeviceDetail device={device} id={parsed.data} />;
}

function DeviceDetail({ device, id }: { device: Device; id: DeviceId }) {
  const health = deviceHealth(device);
  const reason = healthReason(device);
  return (
    <Page
      name={device.id}
      title={
        <span className="flex items-center gap-2.5">
          <HealthMark health={health} label={false} className="size-4" />
          {device.id}
        </span>
      }
      note={
        <span data-testid={`device-${device.id}`} data-version={device.models[0]?.version ?? ''} data-state={health}>
          {healthLabel[health]}
          {reason !== null && `: ${reason}`}. {device.site === '' ? 'At no site' : `At ${device.site}`}, last seen <Ago at={device.lastSeenAt} />
        </span>
      }
      actions={<RevokeButton device={device} id={id} />}
    >
      <Faults device={device} />
      <div className="grid items-start gap-5 lg:grid-cols-[minmax(0,1fr)_20rem] xl:grid-cols-[minmax(0,1fr)_24rem]">
        {/* On a narrow screen both columns dissolve into one: what runs, how it went, the rest. */}
        <div className="flex min-w-0 flex-col gap-5 max-lg:contents">
          <History device={device} id={id} />
          <Samples id={id} />
        </div>
        <div className="flex min-w-0 flex-col gap-5 max-lg:contents">
          {device.models.map((model) => (
            <ModelPanel key={model.model} model={model} />
          ))}
          <AboutPanel device={device} />
        </div>
      </div>
    </Page>
  );
}

const outcomeWords = { REJECTED: 'refused', FAILED: 'not installed', ROLLED_BACK: 'given up again', COMMITTED: 'installed' } as const;

/** What is wrong, its code and what to do: the current fault first, then the newest refusal. */
function Faults({ device }: { device: Device }) {
  const faults = [
    ...(device.error === null
      ? []
      : [{ key: 'error', tone: 'bad' as const, title: 'The device reports a fault', code: device.error.code, detail: device.error.detail }]),
    ...device.models.flatMap(({ model, last, desiredVersion }) =>
      last === null || last.outcome === 'COMMITTED'
        ? []
        : [
            {
              key: model,
              tone: last.version === desiredVersion ? ('bad' as const) : ('past' as const),
              title: `${model} v${last.version} was ${outcomeWords[last.outcome]}${last.version === desiredVersion ? '' : '; the order has been withdrawn since'}`,
              code: last.code,
              detail: last.detail,
            },
          ],
    ),
  ];
  return faults.map(({ key, tone, title, code, detail }) => (
    <div key={key} role="status" className={cn('rounded-lg border px-4 py-3', tone === 'bad' ? 'border-transparent bg-bad-soft' : 'border-line bg-surface')}>
      <p className={cn('text-sm font-medium', tone === 'bad' && 'text-bad')}>{title}</p>
      {code !== null && (
        <p className="mt-0.5 text-sm text-ink-2">
          {isErrorCode(code) ? `${errorCatalogue[code].message}. ${errorCatalogue[code].hint}. ` : ''}
          <Code>{code}</Code>
        </p>
      )}
      {detail !== null && detail !== '' && <p className="mt-0.5 text-xs wrap-anywhere text-ink-3">{detail}</p>}
    </div>
  ));
}

const spanMs: Record<Span, number> = { '5m': 5 * 60_000, '15m': 15 * 60_000, all: Infinity };
const spanWords: Record<Span, string> = { '5m': '5 min', '15m': '15 min', all: 'All' };

function History({ device, id }: { device: Device; id: DeviceId }) {
  const { span = '15m' } = route.useSearch();
  const navigate = route.useNavigate();
  const client = useQueryClient();
  const { data: points, dataUpdatedAt } = useQuery(historyQuery(id));
  const newest = device.live?.at ?? null;

  // A newer window than the newest drawn: fetch it, but not more often than a reader could follow.
  const drawn = points?.at(-1)?.at ?? 0;
  useEffect(() => {
    if (newest === null || newest <= drawn) return undefined;
    const timer = setTimeout(() => void client.invalidateQueries({ queryKey: keys.history(id) }), Math.max(0, dataUpdatedAt + refetchLeastMs - Date.now()));
    return () => clearTimeout(timer);
  }, [newest, drawn, dataUpdatedAt, client, id]);

  const shown = pointsWithin(points ?? [], spanMs[span]);
  return (
    <Panel aria-labelledby="history" className="max-lg:order-2">
      <PanelHead id="history" title="History">
        <Segmented
          label="Time span"
          value={span}
          options={spans.map((value) => ({ value, label: spanWords[value] }))}
          onChange={(next) => void navigate({ search: next === '15m' ? {} : { span: next }, replace: true })}
        />
      </PanelHead>
      <div className="p-4">
        {points === undefined && <Skeleton className="h-96" />}
        {points !== undefined && shown.length === 0 && <Empty title="No telemetry window yet">The device sends one as soon as it answers frames.</Empty>}
        {shown.length > 0 && (
          <TimeChart title="Telemetry windows" times={shown.map(({ at }) => at)} rows={historyRows(shown)} marks={versionMarks(shown).map(toMark)} />
        )}
      </div>
    </Panel>
  );
}

const toMark = ({ at, version }: { at: number; version: number }): TimeMark => ({ at, label: `v${version}` });

function historyRows(points: readonly DevicePoint[]): TimeRow[] {
  const rows: TimeRow[] = [
    { name: 'Inferences per second', color: 'var(--series-1)', values: points.map((point) => point.inferencesPerS), format: formatRate },
    { name: 'p95 latency', color: 'var(--series-4)', values: points.map((point) => point.p95Ms), format: formatMs },
    { name: 'Bad frames', color: 'var(--bad)', values: points.map((point) => point.badShare), format: (value) => formatPercent(value), least: 0.1 },
    {
      name: 'Mean confidence',
      color: 'var(--series-3)',
      values: points.map((point) => point.meanConfidence),
      format: (value) => formatPercent(value),
      least: 1,
    },
    { name: 'Mean brightness', color: 'var(--ink-3)', values: points.map((point) => point.meanBrightness), format: formatNumber },
    { name: 'Drift (corrected PSI)', color: 'var(--series-2)', values: points.map((point) => point.drift), format: formatNumber, limit: 0.1 },
  ];
  return rows.filter(({ values }) => values.some((value) => value !== null));
}

function Samples({ id }: { id: DeviceId }) {
  const { data: samples = [] } = useQuery(samplesQuery({ device: id }));
  if (samples.length === 0) return null;
  return (
    <Panel aria-labelledby="samples" className="max-lg:order-4">
      <PanelHead id="samples" title="Recent samples" note={`frames the device sent along, ${labelOrigins(samples)}`} />
      <SampleGrid samples={samples.slice(0, 16)} withDevice={false} />
    </Panel>
  );
}

function ModelPanel({ model }: { model: Device['models'][number] }) {
  const waiting = model.desiredVersion !== null && model.desiredVersion !== model.version;
  return (
    <Panel aria-label={`Model ${model.model}`} className="max-lg:order-1">
      <PanelHead title={model.model}>{waiting ? <WaitingBadge model={model} /> : <Badge tone="ok">Up to date</Badge>}</PanelHead>
      <div className="p-4">
        {model.phase !== 'IDLE' && model.progress !== null && (
          <ProgressBar className="mb-4" fraction={model.progress} label={`${humanise(model.phase)} v${model.desiredVersion ?? ''}`} />
        )}
        <Facts>
          <Fact name="Running">
            <VersionTag version={model.version} />
            {model.variant !== null && <span className="ml-2 text-ink-3">{model.variant}</span>}
          </Fact>
          <Fact name="Wanted">
            <VersionTag version={model.desiredVersion} />
          </Fact>
          <Fact name="Update">{model.phase === 'IDLE' ? 'none under way' : humanise(model.phase)}</Fact>
          <Fact name="Last order">{model.last === null ? 'none' : `v${model.last.version} ${outcomeWords[model.last.outcome]}`}</Fact>
        </Facts>
        <MeasuredVariants model={model} />
      </div>
    </Panel>
  );
}

function WaitingBadge({ model: { phase, last, desiredVersion } }: { model: Device['models'][number] }) {
  if (phase !== 'IDLE') return <Badge tone="info">{humanise(phase)}</Badge>;
  return last !== null && last.version === desiredVersion && last.outcome !== 'COMMITTED' ? (
    <Badge tone="bad">{sentence(outcomeWords[last.outcome])}</Badge>
  ) : (
    <Badge tone="info">Waiting</Badge>
  );
}

function AboutPanel({ device }: { device: Device }) {
  const { live, drift, windows, refused } = device;
  return (
    <Panel aria-label="About this device" className="max-lg:order-3">
      <PanelHead title="About" />
      <Facts className="p-4">
        <Fact name="Right, where judged">{formatPercent(live?.rightShare)}</Fact>
        <Fact name="p50 / p95">
          {formatMs(live?.p50Ms)} / {formatMs(live?.p95Ms)}
        </Fact>
        <Fact name="Drift">{drift === null ? 'no evidence' : `${humanise(drift.statistic)} ${formatNumber(drift.effect)}`}</Fact>
        <Fact name="Windows received">{formatCount(windows.received)}</Fact>
        <Fact name="Windows missing">{formatCount(windows.missing)}</Fact>
        <Fact name="Dropped on the device">{formatCount(windows.dropped)}</Fact>
        <Fact name="Messages refused">
          {formatCount(refused.count)} {refused.lastCode !== null && <Code>{refused.lastCode}</Code>}
        </Fact>
        <Fact name="Kind">
          {humanise(device.class)}
          {device.synthetic && ', synthetic camera'}
        </Fact>
        <Fact name="Agent">{device.agent}</Fact>
        <Fact name="Platform">{device.platform}</Fact>
        <Fact name="Joined">
          <Ago at={device.joinedAt} />
        </Fact>
      </Facts>
    </Panel>
  );
}

function RevokeButton({ device, id }: { device: Device; id: DeviceId }) {
  const [asking, setAsking] = useState(false);
  const refusal = useRefusal('revokeDevice');
  const revoke = useAction<undefined, 'revokeDevice'>(
    () => api('revokeDevice', { params: { id } }),
    (reply, client) => {
      client.setQueryData<readonly Device[]>(keys.devices, (list) => list?.map((each) => (each.id === reply.id ? reply : each)));
      setAsking(false);
    },
  );
  if (device.state === 'REVOKED') return <Badge>Revoked</Badge>;
  return (
    <>
      <Button refusal={refusal} onClick={() => setAsking(true)}>
        Revoke
      </Button>
      <Dialog
        open={asking}
        onClose={() => setAsking(false)}
        title={`Revoke ${device.id}?`}
        description="Its connections end at once and its certificate is no longer accepted. It keeps inferring locally with the version it has."
      >
        <DialogBody>
          <p className="text-sm text-ink-2">To bring it back, enrol it again with a new token.</p>
        </DialogBody>
        <DialogActions>
          <Button onClick={() => setAsking(false)}>Keep it</Button>
          <Button kind="danger" busy={revoke.isPending} onClick={() => revoke.mutate(undefined)}>
            Revoke {device.id}
          </Button>
        </DialogActions>
      </Dialog>
    </>
  );
}
