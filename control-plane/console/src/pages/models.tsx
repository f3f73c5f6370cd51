import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { ArrowRight, BadgeCheck, Check, ChevronRight, ExternalLink, Sparkles, X } from 'lucide-react';
import type { Model, ModelVersion } from '@serin/protocol/api/resources';
import { modelName, type ModelName } from '@serin/protocol/ids';
import { api } from '../data/api.ts';
import { rememberJob, useAction } from '../data/actions.ts';
import { modelsQuery, versionsQuery } from '../data/queries.ts';
import { useRefusal } from '../data/use-session.ts';
import { formatBytes, formatFull, formatMetric, formatMs, formatPercent, groupDigits, humanise, plural, sentence } from '../domain/format.ts';
import { isComparable, quantisationPairs, servedQuality, type MetricPair } from '../domain/version-metrics.ts';
import { Badge, Code } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { cn } from '../ui/cn.ts';
import { CopyLine } from '../ui/copy-line.tsx';
import { Empty, Fact, Facts, Page, Panel, PanelHead, Skeleton } from '../ui/panel.tsx';
import { Segmented } from '../ui/segmented.tsx';
import { showDone } from '../ui/toasts.ts';
import { Ago } from '../ui/time.tsx';
import { StartRollout } from './start-rollout.tsx';

const route = getRouteApi('/shell/models');

/** The bin picker's network, which can be trained on rendered bins alone. */
const exampleModel = modelName.parse('picker');

export function ModelsPage() {
  const { model: wanted, version } = route.useSearch();
  const navigate = route.useNavigate();
  const { data: models } = useQuery(modelsQuery);
  const model = models?.find(({ name }) => name === wanted) ?? models?.[0];
  return (
    <Page
      title="Models"
      note={models === undefined ? 'Loading…' : plural(models.length, 'model')}
      actions={model !== undefined && <TrainButton kind="retrain" name={model.name} label={`Retrain ${model.name}`} />}
    >
      {models === undefined && <Skeleton className="h-72" />}
      {models !== undefined && model === undefined && (
        <Panel>
          <Empty
            title="No model yet"
            action={
              <div className="flex flex-col items-center gap-3">
                <CopyLine label="command" text="npm run serin -- model push model.onnx --name picker" />
                <TrainButton kind="train" name={exampleModel} label="Or train the example, picker" />
              </div>
            }
          >
            Push a ready ONNX file, and it is checked, packaged and signed.
          </Empty>
        </Panel>
      )}
      {models !== undefined && models.length > 1 && model !== undefined && (
        <Segmented
          label="Model"
          value={model.name as string}
          options={models.map(({ name }) => ({ value: name as string, label: name }))}
          onChange={(name) => void navigate({ search: { model: name } })}
        />
      )}
      {model !== undefined && <Versions model={model} open={version} />}
    </Page>
  );
}

function TrainButton({ kind, name, label }: { kind: 'train' | 'retrain'; name: ModelName; label: string }) {
  const refusal = useRefusal('startJob');
  const navigate = route.useNavigate();
  const train = useAction<undefined, 'startJob'>(
    () => api('startJob', { body: { kind, model: name } }),
    (job, client) => {
      rememberJob(job, client);
      showDone('Training has begun');
      void navigate({ search: (before) => ({ ...before, jobs: job.id }) });
    },
  );
  return (
    <Button refusal={refusal} busy={train.isPending} icon={<Sparkles className="size-4 text-ink-2" aria-hidden />} onClick={() => train.mutate(undefined)}>
      {label}
    </Button>
  );
}

function Versions({ model, open }: { model: Model; open: number | undefined }) {
  const { data: versions } = useQuery(versionsQuery(model.name));
  return (
    <Panel aria-labelledby="versions" className="min-w-0 overflow-hidden">
      <PanelHead id="versions" title={model.name} note={`${plural(model.versions, 'version')}, on ${plural(model.devices, 'device')}`} />
      {versions === undefined && <Skeleton className="m-4 h-48" />}
      {versions?.length === 0 && <Empty title="No version yet">Train one, or push a ready ONNX file.</Empty>}
      {versions !== undefined && versions.length > 0 && (
        <div aria-hidden className={cn('hidden h-8 items-center gap-x-3 border-b border-line px-4 text-xs font-medium text-ink-3 md:grid', rowGrid)}>
          <span className="col-start-2">Version</span>
          <span>Gate</span>
          <span>Origin</span>
          <span className="text-right">Quality</span>
          <span className="text-right">Size</span>
          <span className="text-right">In service</span>
          <span className="text-right">Made</span>
        </div>
      )}
      <ul className="divide-y divide-line">
        {versions?.map((version) => (
          <li key={version.version}>
            <VersionRow model={model} version={version} open={version.version === open} />
            {version.version === open && <VersionDetail version={version} champion={versions.find((each) => each.version === model.champion)} />}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

const rowGrid = 'md:grid-cols-[1rem_3.5rem_8rem_minmax(0,1fr)_5rem_5rem_5.5rem_5.5rem]';

function VersionRow({ model, version, open }: { model: Model; version: ModelVersion; open: boolean }) {
  return (
    <Link
      to="/models"
      search={{ model: model.name, ...(open ? {} : { version: version.version }) }}
      resetScroll={false}
      aria-expanded={open}
      className={cn('grid grid-cols-[1rem_2.5rem_minmax(0,1fr)_auto] items-center gap-x-3 gap-y-1 px-4 py-2.5 hover:bg-hover', rowGrid)}
    >
      <ChevronRight className={cn('size-4 text-ink-3 transition-transform', open && 'rotate-90')} aria-hidden />
      <span className="font-mono text-sm font-medium">v{version.version}</span>
      <span className="hidden md:block">
        {version.version === model.champion ? (
          <Badge tone="ok" icon={<BadgeCheck className="size-3" aria-hidden />}>
            Champion
          </Badge>
        ) : (
          <GateBadge version={version} />
        )}
      </span>
      <span className="min-w-0 truncate text-sm text-ink-2">
        {originWords[version.origin]}
        {version.note !== '' && <span className="text-ink-3">, {version.note}</span>}
      </span>
      <span className="hidden text-right text-sm md:block">
        <span className="sr-only">quality </span>
        {formatPercent(servedQuality(version))}
      </span>
      <span className="hidden text-right text-sm text-ink-2 md:block">{formatBytes(version.bytes)}</span>
      <span className="text-right text-sm text-ink-2">{plural(version.devices, 'device')}</span>
      <span className="hidden text-right text-xs text-ink-3 md:block">
        <Ago at={version.createdAt} />
      </span>
    </Link>
  );
}

const originWords: Record<ModelVersion['origin'], string> = {
  trained: 'Trained',
  retrained: 'Retrained',
  pushed: 'Pushed',
  'demo-spoiled': 'Made bad on purpose',
};

/** How many devices chose it, and how fast it is on the device in the middle. */
const variantWords = ({ name, bytes, devices, p50Ms }: ModelVersion['variants'][number]): string =>
  `${name} ${formatBytes(bytes)}${devices === 0 ? '' : ` on ${plural(devices, 'device')}`}${p50Ms === null ? '' : ` (${formatMs(p50Ms)})`}`;

function GateBadge({ version }: { version: ModelVersion }) {
  if (version.origin === 'demo-spoiled') return <Badge tone="warn">Spoiled for demo</Badge>;
  if (version.gate === null) return <Badge>No gate</Badge>;
  return version.gate.passed ? <Badge tone="ok">Gate passed</Badge> : <Badge tone="bad">Gate failed</Badge>;
}

function VersionDetail({ version, champion }: { version: ModelVersion; champion: ModelVersion | undefined }) {
  const pairs = quantisationPairs(version);
  const metrics = Object.entries(version.metrics);
  return (
    <div className="grid gap-x-8 gap-y-6 border-t border-line bg-page px-4 py-5 lg:grid-cols-[minmax(0,1.3fr)_minmax(0,1fr)] lg:pl-11">
      <div className="flex min-w-0 flex-col gap-6">
        {pairs.length > 0 && (
          <section aria-label="Quantisation">
            <h3 className="eyebrow mb-2">Before and after quantisation</h3>
            <div className="grid gap-2 sm:grid-cols-3">
              {pairs.map((pair) => (
                <PairTile key={pair.kind} pair={pair} />
              ))}
            </div>
          </section>
        )}
        <Gate version={version} />
        {metrics.length > 0 && (
          <section aria-label="Metrics">
            <h3 className="eyebrow mb-2">
              All metrics{champion !== undefined && champion.version !== version.version && `, against champion v${champion.version}`}
            </h3>
            <dl className="grid gap-x-8 sm:grid-cols-2">
              {metrics.map(([name, value]) => (
                <div key={name} className="flex items-baseline gap-3 border-b border-line py-1.5 text-sm">
                  <dt className="min-w-0 flex-1 truncate text-ink-2">{humanise(name)}</dt>
                  {champion !== undefined && champion.version !== version.version && isComparable(name) && champion.metrics[name] !== undefined && (
                    <dd className="text-xs text-ink-3">{formatMetric(name, champion.metrics[name])}</dd>
                  )}
                  <dd className="font-medium">{formatMetric(name, value)}</dd>
                </div>
              ))}
            </dl>
          </section>
        )}
      </div>
      <div className="flex min-w-0 flex-col gap-5">
        <StartRollout version={version} />
        <Facts>
          <Fact name="Origin">{originWords[version.origin]}</Fact>
          <Fact name="Made">
            <time dateTime={new Date(version.createdAt).toISOString()}>{formatFull(version.createdAt)}</time> by {version.createdBy}
          </Fact>
          {version.jobId !== null && (
            <Fact name="Job">
              <Link to="." search={(before) => ({ ...before, jobs: version.jobId ?? 'all' })} className="text-link underline-offset-4 hover:underline">
                Show its log
              </Link>
            </Fact>
          )}
          {version.hasReport && (
            <Fact name="Report">
              <a
                href={`/api/models/${version.model}/versions/${version.version}/report?format=html`}
                target="_blank"
                rel="noopener"
                className="inline-flex items-center gap-1 text-link underline-offset-4 hover:underline"
              >
                What was measured of it
                <ExternalLink className="size-3.5" aria-label="opens in a new tab" />
              </a>
            </Fact>
          )}
          <Fact name="Variants">{version.variants.map(variantWords).join(', ')}</Fact>
          <Fact name="Labels">{version.labels.join(', ')}</Fact>
          <Fact name="Signed by key">
            <Code>{version.signedBy}</Code>
          </Fact>
        </Facts>
        <div>
          <p className="eyebrow mb-1">Digest of the signed manifest</p>
          <CopyLine text={version.manifest} label="digest" />
        </div>
      </div>
    </div>
  );
}

const printers: Record<MetricPair['unit'], (value: number | null) => string> = { share: (value) => formatPercent(value, 2), ms: formatMs, bytes: formatBytes };

function PairTile({ pair }: { pair: MetricPair }) {
  const print = printers[pair.unit];
  return (
    <div className="rounded-md border border-line bg-surface px-3 py-2.5">
      <p className="text-xs text-ink-3">{pair.label}</p>
      <p className="mt-1 flex flex-wrap items-baseline gap-x-1.5">
        {pair.float !== null && (
          <>
            <span className="text-sm text-ink-2">{print(pair.float)}</span>
            <ArrowRight className="size-3 self-center text-ink-3" aria-label="to" />
          </>
        )}
        <span className="text-lg font-semibold">{print(pair.int8)}</span>
      </p>
      <p className="text-2xs text-ink-3">{pair.float === null ? 'int8' : 'fp32 to int8'}</p>
    </div>
  );
}

function Gate({ version: { gate } }: { version: ModelVersion }) {
  if (gate === null) {
    return <p className="text-sm text-ink-3">Nothing was compared when this version was made, so there is no gate to pass.</p>;
  }
  return (
    <section aria-label="Gate">
      <h3 className="eyebrow mb-2">Gate: {gate.passed ? 'passed' : 'not passed'}</h3>
      <ul className="flex flex-col gap-1.5">
        {gate.checks.map((check) => (
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
    </section>
  );
}
