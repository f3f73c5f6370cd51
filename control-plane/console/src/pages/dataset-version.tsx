import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { ChevronRight, TriangleAlert } from 'lucide-react';
import { modelName } from '@serin/protocol/ids';
import type { Anomaly, DatasetVersionDetail } from '@serin/protocol/api/datasets';
import { datasetVersionQuery, runsQuery } from '../data/data-queries.ts';
import { isBatchAlone, labelShares, rowsWords, sortAnomalies, splitShares, versionChanges, type ChangeWords } from '../domain/data-view.ts';
import { formatBytes, formatCount, formatFull, formatNumber, formatPercent, groupDigits, humanise, plural, sentence } from '../domain/format.ts';
import { severityFilters } from '../domain/search.ts';
import { Badge, Code } from '../ui/badge.tsx';
import { cn } from '../ui/cn.ts';
import { CopyLine } from '../ui/copy-line.tsx';
import { Empty, Fact, Facts, Page, Panel, PanelHead, Skeleton } from '../ui/panel.tsx';
import { Segmented } from '../ui/segmented.tsx';
import { StateMark } from '../ui/state-mark.tsx';
import { Ago } from '../ui/time.tsx';
import { Columns } from './columns.tsx';
import { ShareBar, Tile, VersionStatusBadge } from './data-parts.tsx';
import { Quarantine } from './quarantine.tsx';

const route = getRouteApi('/shell/data/$name/$version');

const labelsShown = 5;

export function DatasetVersionPage() {
  const params = route.useParams();
  const name = modelName.safeParse(params.name);
  const number = Number(params.version);
  const valid = name.success && Number.isInteger(number) && number >= 1;
  const query = useQuery({ ...datasetVersionQuery(name.success ? name.data : modelName.parse('none'), valid ? number : 1), enabled: valid });
  const title = (
    <span className="flex flex-wrap items-baseline gap-x-2">
      <Link to="/data" className="text-ink-3 hover:text-ink">
        Data
      </Link>
      <ChevronRight className="size-4 self-center text-ink-3" aria-hidden />
      <Link to="/data/$name" params={{ name: params.name }} className="text-ink-3 hover:text-ink">
        {params.name}
      </Link>
      <ChevronRight className="size-4 self-center text-ink-3" aria-hidden />v{params.version}
    </span>
  );
  if (!valid || query.isError) {
    return (
      <Page name={params.name} title={title}>
        <Panel>
          <Empty
            title="There is no such version"
            action={
              <Link to="/data/$name" params={{ name: params.name }} className="text-sm font-medium text-link hover:underline">
                See all versions of {params.name}
              </Link>
            }
          />
        </Panel>
      </Page>
    );
  }
  const version = query.data;
  return (
    <Page
      name={`${params.name} v${params.version}`}
      title={title}
      note={
        version !== undefined && (
          <>
            {version.source === null ? `Brought by ${version.createdBy}` : `From the source ${version.source}`} <Ago at={version.createdAt} />
            {version.note !== '' && `: ${version.note}`}
          </>
        )
      }
      actions={version !== undefined && <VersionStatusBadge status={version.status} />}
    >
      {version === undefined ? <Skeleton className="h-72" /> : <Detail version={version} />}
    </Page>
  );
}

function Detail({ version }: { version: DatasetVersionDetail }) {
  return (
    <>
      {version.status === 'QUARANTINED' && <Quarantine version={version} />}
      {version.decision !== null && <Decision version={version} />}
      <Counts version={version} />
      <div className="grid grid-cols-1 items-start gap-5 lg:grid-cols-[minmax(0,1fr)_20rem] xl:grid-cols-[minmax(0,1fr)_24rem]">
        {/* On a narrow screen both columns dissolve into one, the long list of columns last but one. */}
        <div className="flex min-w-0 flex-col gap-5 max-lg:contents">
          <Anomalies version={version} />
          <Columns version={version} search={route.useSearch()} />
        </div>
        <div className="flex min-w-0 flex-col gap-5 max-lg:contents">
          <Balance version={version} />
          {version.parent !== null && <Changed version={version} parent={version.parent} />}
          <About version={version} />
        </div>
      </div>
    </>
  );
}

function Decision({ version: { decision, status } }: { version: DatasetVersionDetail }) {
  if (decision === null) return null;
  return (
    <p className="flex items-center gap-2 rounded-lg border border-line bg-surface px-4 py-3 text-sm">
      <StateMark state={status} />
      <span>
        {status === 'DROPPED' ? 'Dropped' : 'Released from quarantine'} by {decision.by} <Ago at={decision.at} className="text-ink-3" />
        {decision.note !== '' && <>: “{decision.note}”</>}
      </span>
    </p>
  );
}

function Counts({ version }: { version: DatasetVersionDetail }) {
  return (
    <Panel
      aria-label="Counts"
      className="grid grid-cols-2 overflow-hidden sm:grid-cols-4 [&>*]:border-line max-sm:[&>*:nth-child(even)]:border-l max-sm:[&>*:nth-child(n+3)]:border-t sm:[&>*+*]:border-l"
    >
      <Tile
        name="Rows"
        value={formatCount(version.rows)}
        note={version.parent === null ? 'stands alone' : isBatchAlone(version) ? `of the batch alone, after v${version.parent}` : `adds to v${version.parent}`}
      />
      <Tile
        name="Columns"
        value={formatCount(version.columns.length)}
        note={`${formatCount(version.columns.filter(({ role }) => role === 'feature').length)} features`}
      />
      <Tile name="Size" value={formatBytes(version.bytes)} note={plural(version.files, 'file')} />
      <Tile
        name="Found"
        value={
          <span className={cn(version.errors > 0 && 'text-bad')}>{version.errors + version.warnings === 0 ? 'nothing' : plural(version.errors, 'error')}</span>
        }
        note={plural(version.warnings, 'warning')}
      />
    </Panel>
  );
}

function Balance({ version }: { version: DatasetVersionDetail }) {
  return (
    <Panel aria-labelledby="balance">
      <PanelHead id="balance" title="Splits and labels" />
      <div className="flex flex-col gap-5 p-4">
        <ShareBar name="Splits" shares={splitShares(version)} />
        {version.labels.length > 0 ? (
          <ShareBar name={version.spec.label === undefined ? 'Labels' : `Labels, by ${version.spec.label}`} shares={labelShares(version, labelsShown)} />
        ) : (
          <p className="text-sm text-ink-3">No column is named as the label, so there is no balance to see.</p>
        )}
        <p className="text-xs text-ink-3">
          {version.spec.id === undefined && version.spec.group === undefined
            ? 'A record stays in its split because of what it says.'
            : `A record stays in its split because of its ${version.spec.group ?? version.spec.id ?? ''}.`}
        </p>
      </div>
    </Panel>
  );
}

const severityTone = { error: 'bad', warning: 'warn' } as const;

function Anomalies({ version }: { version: DatasetVersionDetail }) {
  const { severity } = route.useSearch();
  const navigate = route.useNavigate();
  const all = sortAnomalies(version.anomalies);
  const shown = all.filter((anomaly) => severity === undefined || anomaly.severity === severity);
  return (
    <Panel aria-labelledby="anomalies" className="min-w-0 overflow-hidden">
      <PanelHead id="anomalies" title="Anomalies" note={all.length === 0 ? 'none' : 'the gravest first'}>
        {all.length > 0 && (
          <Segmented
            label="Severity"
            value={severity ?? 'all'}
            options={[
              { value: 'all', label: `All ${formatCount(all.length)}` },
              ...severityFilters.map((each) => ({ value: each, label: each === 'error' ? 'Errors' : 'Warnings' })),
            ]}
            onChange={(next) =>
              void navigate({ search: ({ severity: _, ...before }) => (next === 'all' ? before : { ...before, severity: next }), replace: true })
            }
          />
        )}
      </PanelHead>
      {shown.length === 0 && (
        <Empty title={all.length === 0 ? 'Nothing odd was found' : 'None of this severity'}>
          {all.length === 0 ? 'Types, ranges, missing values, duplicates, leaks and drift against the version before were looked at.' : undefined}
        </Empty>
      )}
      <ul className="divide-y divide-line">
        {shown.map((anomaly, index) => (
          <AnomalyRow key={`${anomaly.kind} ${anomaly.column ?? ''} ${anomaly.file ?? ''} ${String(index)}`} anomaly={anomaly} />
        ))}
      </ul>
      {version.anomaliesBeyond > 0 && (
        <p className="border-t border-line px-4 py-2.5 text-xs text-ink-3">
          and {plural(version.anomaliesBeyond, 'more', 'more')} that are not listed: mend the first ones and push again.
        </p>
      )}
    </Panel>
  );
}

function AnomalyRow({ anomaly }: { anomaly: Anomaly }) {
  const rows = rowsWords(anomaly);
  return (
    <li className="flex items-start gap-3 px-4 py-3" data-testid="anomaly" data-severity={anomaly.severity}>
      <TriangleAlert className={cn('mt-0.5 size-4 shrink-0', anomaly.severity === 'error' ? 'text-bad' : 'text-warn')} aria-hidden />
      <div className="min-w-0 flex-1">
        <p className="text-sm wrap-anywhere">{sentence(groupDigits(anomaly.words))}</p>
        <p className="mt-1 flex flex-wrap items-center gap-x-3 gap-y-1 text-xs text-ink-3">
          <Badge tone={severityTone[anomaly.severity]}>{humanise(anomaly.severity)}</Badge>
          <Code>{anomaly.kind}</Code>
          {anomaly.column !== null && (
            <Link
              from="/data/$name/$version"
              to="/data/$name/$version"
              search={({ q: _, role: __, ...before }) => ({ ...before, column: anomaly.column ?? '' })}
              hash="columns"
              className="text-link hover:underline"
            >
              column {anomaly.column}
            </Link>
          )}
          {anomaly.file !== null && <span className="wrap-anywhere">{anomaly.file}</span>}
          {rows !== '' && <span>{rows}</span>}
          {rows === '' && anomaly.count > 0 && <span>{plural(anomaly.count, 'record')}</span>}
        </p>
      </div>
    </li>
  );
}

const changeWords: ChangeWords = { count: formatCount, share: formatPercent, number: formatNumber };

function Changed({ version, parent }: { version: DatasetVersionDetail; parent: number }) {
  const { data: before } = useQuery(datasetVersionQuery(version.dataset, parent));
  const changes = before === undefined ? undefined : versionChanges(before, version, changeWords);
  return (
    <Panel aria-labelledby="changed">
      <PanelHead
        id="changed"
        title={isBatchAlone(version) ? 'How the batch differs' : 'What changed'}
        note={
          <>
            against{' '}
            <Link
              to="/data/$name/$version"
              params={{ name: version.dataset, version: String(parent) }}
              className="font-mono text-link underline underline-offset-2"
            >
              v{parent}
            </Link>
          </>
        }
      />
      {changes === undefined && <Skeleton className="m-4 h-24" />}
      {changes?.length === 0 && <p className="p-4 text-sm text-ink-3">Nothing stands out: columns, labels, missing values and means are as they were.</p>}
      {changes !== undefined && changes.length > 0 && (
        <dl className="divide-y divide-line">
          {changes.map(({ what, before: old, after, marked }) => (
            <div key={what} className="flex items-baseline gap-3 px-4 py-2 text-sm">
              <dt className={cn('min-w-0 flex-1 wrap-anywhere', marked ? 'font-medium' : 'text-ink-2')}>
                {marked && <span className="mr-1.5 inline-block size-1.5 rotate-45 bg-warn align-middle" aria-hidden />}
                {sentence(what)}
              </dt>
              <dd className="shrink-0 text-right text-xs">
                <span className="text-ink-3">{old}</span> <span aria-label="to">→</span> <span className="font-medium">{after}</span>
              </dd>
            </div>
          ))}
        </dl>
      )}
    </Panel>
  );
}

const runsShown = 5;

function About({ version }: { version: DatasetVersionDetail }) {
  const { data: runs = [] } = useQuery(runsQuery);
  const learnt = runs.filter(({ data }) => data?.dataset === version.dataset && data.version === version.version);
  return (
    <Panel aria-labelledby="about" className="max-lg:order-2">
      <PanelHead id="about" title="About" />
      <div className="flex flex-col gap-4 p-4">
        <Facts>
          <Fact name="Made">{formatFull(version.createdAt)}</Fact>
          <Fact name="Kind">{humanise(version.kind)}</Fact>
          {version.spec.id !== undefined && <Fact name="Id">{version.spec.id}</Fact>}
          {version.spec.group !== undefined && <Fact name="Group">{version.spec.group}</Fact>}
          {version.spec.time !== undefined && <Fact name="Time">{version.spec.time}</Fact>}
          {version.spec.text !== undefined && <Fact name="Text of">{version.spec.text.join(', ')}</Fact>}
          {version.spec.format !== undefined && <Fact name="Format">{humanise(version.spec.format)}</Fact>}
        </Facts>
        <div>
          <p className="eyebrow mb-1">Digest of all that training sees</p>
          <CopyLine text={version.digest} label="digest" />
        </div>
        {learnt.length > 0 && (
          <div>
            <p className="eyebrow mb-1">Learnt from by {plural(learnt.length, 'run')}</p>
            <ul className="flex flex-col gap-1 text-sm">
              {learnt.slice(0, runsShown).map((run) => (
                <li key={run.id}>
                  <Link to="/runs/$id" params={{ id: run.id }} className="inline-flex items-center gap-2 text-link hover:underline">
                    <StateMark state={run.status} />
                    {run.model}
                    {run.version !== null && <span className="font-mono text-xs">v{run.version}</span>}
                  </Link>
                </li>
              ))}
            </ul>
          </div>
        )}
      </div>
    </Panel>
  );
}
